"""Relations, what is taught of them, and the loss's slope, against NumPy and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fedkd.keys import key
from fedkd.tasks.base import Batch
from fedkd.tasks.relation_exchange.relations import AnchorAim, among, leave_one_out, target

ANCHORS, WIDTH, TAU = 7, 4, 0.3
EPSILON = 1e-6


def drawn(*shape: int) -> torch.Tensor:
    return torch.from_numpy(key(0, "data").generator().standard_normal(shape))


def unit(y: torch.Tensor) -> torch.Tensor:
    return y / y.norm(dim=1, keepdim=True)


def restated(z: NDArray[np.float64], tau: float) -> NDArray[np.float64]:
    """Row by row, column by column."""
    rows = []
    for a in range(len(z)):
        powers = [math.exp(float(z[a] @ z[b]) / tau) for b in range(len(z)) if b != a]
        rows.append([power / sum(powers) for power in powers])
    return np.array(rows)


def taught() -> torch.Tensor:
    """Of another network; the last row says nothing."""
    rows = among(unit(drawn(2 * ANCHORS, WIDTH)[ANCHORS:]), 0.1)
    rows[-1] = 0
    return rows


def gradient(aim: AnchorAim, outputs: torch.Tensor) -> torch.Tensor:
    return aim.gradient(outputs, Batch(outputs, torch.zeros(len(outputs)), None))


@pytest.mark.parametrize("count", [2, 3, ANCHORS])
def test_relations_are_a_softmax_over_the_others(count: int) -> None:
    z = unit(drawn(count, WIDTH))
    found = among(z, TAU)
    assert found.shape == (count, count - 1)
    np.testing.assert_allclose(found.numpy(), restated(z.numpy(), TAU), rtol=1e-12)


def test_a_target_is_not_negative_and_sums_to_one_or_says_nothing() -> None:
    x = torch.tensor([[0.2, -0.1, 0.6], [0.0, 0.0, 0.0], [-0.5, -0.1, 0.0], [0.1, 0.4, 0.5]])
    expected = torch.tensor([[0.25, 0.0, 0.75], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.1, 0.4, 0.5]])
    torch.testing.assert_close(target(x), expected)


def test_the_loss_is_a_mean_of_cross_entropies() -> None:
    outputs, t = drawn(ANCHORS, WIDTH), taught()
    logs = np.log(restated(unit(outputs).numpy(), TAU))
    expected = -(t.numpy() * logs).sum(axis=1).mean()
    assert AnchorAim(t, TAU).loss(outputs).item() == pytest.approx(expected, rel=1e-12)


def test_the_slope_is_that_of_the_loss() -> None:
    """Central differences: their error is of the order of epsilon^2."""
    outputs, aim = drawn(ANCHORS, WIDTH), AnchorAim(taught(), TAU)
    expected = torch.zeros_like(outputs)
    for row in range(ANCHORS):
        for column in range(WIDTH):
            step = torch.zeros_like(outputs)
            step[row, column] = EPSILON
            expected[row, column] = (aim.loss(outputs + step) - aim.loss(outputs - step)) / (2 * EPSILON)
    torch.testing.assert_close(gradient(aim, outputs), expected, rtol=1e-6, atol=1e-8)


def test_the_slope_is_autograds() -> None:
    outputs, aim = drawn(ANCHORS, WIDTH).requires_grad_(), AnchorAim(taught(), TAU)
    [expected] = torch.autograd.grad(aim.loss(outputs), outputs)
    torch.testing.assert_close(gradient(aim, outputs.detach()), expected, rtol=1e-12, atol=1e-14)


def test_nothing_is_learned_from_ones_own_relations_or_from_nothing() -> None:
    outputs = drawn(ANCHORS, WIDTH)
    mine = among(unit(outputs), TAU)
    for t in (mine, torch.zeros_like(mine)):
        assert gradient(AnchorAim(t, TAU), outputs).abs().max() < 1e-15


def test_anchors_vote_for_their_class_without_themselves() -> None:
    """Anchor 0 is related to 1 most, of its class; 1 to 2 and 3 together, of the other class; 2 and 3 to each other."""
    labels = torch.tensor([4, 4, 7, 7])
    table = torch.tensor([[0.6, 0.3, 0.1], [0.4, 0.3, 0.3], [0.1, 0.1, 0.8], [0.2, 0.2, 0.6]])
    assert leave_one_out(table, labels) == 0.75
    assert leave_one_out(torch.zeros(4, 3), torch.tensor([0, 0, 1, 1])) == 0.5
    assert math.isnan(leave_one_out(table / 0, labels))
