"""The plane of the two principal components."""

from __future__ import annotations

import numpy as np
import pytest

from fedkd.probes import embedding

POINTS = np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])


def test_the_widest_directions_come_first_and_their_largest_weights_are_positive() -> None:
    """Four points on a cross, in features that are turned, mirrored, shifted and embedded in four dimensions."""
    turn = np.array([[0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.6, 0.8]])
    found = embedding(POINTS @ turn + 7.0)
    assert found == pytest.approx(POINTS * [-1, 1], abs=1e-12)


def test_the_order_of_the_samples_does_not_matter() -> None:
    x = np.random.default_rng(0).normal(size=(50, 8))
    assert embedding(x[::-1])[::-1] == pytest.approx(embedding(x))


@pytest.mark.parametrize("x", [np.array([[0.0], [2.0]]), np.ones((3, 4)), np.ones((1, 4))])
def test_components_that_are_not_there_are_zero(x: np.ndarray) -> None:
    found = embedding(x)
    assert found.shape == (len(x), 2)
    assert found[:, 1] == pytest.approx(0.0)
