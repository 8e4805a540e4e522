"""Draws: of the right classes, without repetition, uniform, functions of the key."""

from __future__ import annotations

import numpy as np
import pytest

from fedkd.probes.draws import even, labelled
from fedkd_compression import Key

LABELS = np.array([7, 2, 7, 2, 2, 7, 7, 7])
KEY = Key.of(0, "draws")


def test_a_draw_has_different_samples_of_every_class() -> None:
    drawn = labelled(LABELS, 3, 20, KEY)
    assert drawn.shape == (20, 2, 3)
    assert (LABELS[drawn] == np.array([2, 7])[:, None]).all()
    assert all(len(set(row.tolist())) == 3 for row in drawn.reshape(-1, 3))


def test_draws_are_a_function_of_the_key() -> None:
    assert np.array_equal(labelled(LABELS, 2, 9, KEY), labelled(LABELS, 2, 9, KEY))
    assert not np.array_equal(labelled(LABELS, 2, 9, KEY), labelled(LABELS, 2, 9, Key.of(1, "draws")))


def test_classes_are_drawn_independently() -> None:
    drawn = labelled(np.repeat([0, 1], 50), 1, 30, KEY)[..., 0]
    assert (drawn[:, 0] != drawn[:, 1] - 50).any()


@pytest.mark.theory
def test_every_sample_is_drawn_equally_often() -> None:
    """Two of the five samples of class 7: each with probability .4."""
    draws = 4000
    counts = np.bincount(labelled(LABELS, 2, draws, KEY)[:, 1].reshape(-1), minlength=8)[LABELS == 7]
    assert np.abs(counts / draws - 0.4).max() < 5 * np.sqrt(0.4 * 0.6 / draws)


@pytest.mark.parametrize(("most", "counts"), [(20, [10, 10]), (10, [5, 5]), (50, [40, 10]), (100, [90, 10])])
def test_a_rare_class_keeps_its_samples(most: int, counts: list[int]) -> None:
    labels = np.repeat([0, 1], [90, 10])
    rows = even(labels, most, KEY)
    assert np.bincount(labels[rows]).tolist() == counts
    assert (np.diff(rows) > 0).all()


def test_which_samples_are_taken_depends_on_the_key() -> None:
    labels = np.repeat([0, 1], 50)
    assert np.array_equal(even(labels, 20, KEY), even(labels, 20, KEY))
    assert not np.array_equal(even(labels, 20, KEY), even(labels, 20, Key.of(1)))
    assert even(labels, 20, KEY).max() > 60
