"""The whole way from theta to its estimated gradient, with STAR on a quadratic, beside finite differences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fedkd.keys import key
from fedkd.metatraining.evolution import gradient, noise, persisted
from fedkd.metatraining.unrolls import Lengths, Unrolls
from fedkd.optimizers import STAR_FORM, Theta, before, drawn, star_update
from tests.metatraining.plain import CURVED, START, Plain

FORM = replace(STAR_FORM, nominal_step=0.02, nominal_exponent=0.3, free_step=0.02, free_exponent=0.3)
"""Steps so long that theta matters."""
LENGTHS = Lengths(5, 20, 20)
TRUNCATIONS = 4
SIGMA, PARTICLES, GROUPS, BATCHES = 1e-4, 500, 8, 10
"""Sigma is so small that the estimate's second order, the bias of smoothing, is nothing beside its standard error."""
SIGMAS = 5.0
STREAM = key(0, "optimizer")


def start() -> Tensor:
    """Where theta is: off the drawn one, whose biases of 0 are on the very edge of a ReLU where all before it are 0."""
    return drawn(FORM, STREAM, torch.float64).vector + noise(STREAM.fold("start"), FORM.size, 0.02)[0]


def mean_loss(vector: Tensor) -> Tensor:
    """The mean logarithm of the loss over a whole task, from the formulas alone."""
    params, state, losses = [START], [before(START)], []
    for step in range(LENGTHS.longest):
        slope = CURVED @ params[0]
        losses.append((0.5 * (params[0] * slope).sum() + Plain.floor).log())
        params, state = star_update(Theta(FORM, vector), state, params, [slope], step)
    return torch.stack(losses).mean()


@pytest.fixture(scope="module")
def directions() -> Tensor:
    """The gradient's own, random ones, and coordinates: offsets of decays, weights, biases [202, k]."""
    vector = start().requires_grad_()
    mean_loss(vector).backward()
    assert vector.grad is not None
    random = noise(STREAM.fold("directions").spread(4), FORM.size, 1.0).T
    axes = torch.eye(FORM.size, dtype=torch.float64)[:, [0, 2, 3, 6, 7, 100, 165, 190, -3, -2, -1]]
    found = torch.cat((vector.grad[:, None], random, axes), 1)
    return found / found.norm(dim=0)


@pytest.fixture(scope="module")
def differences(directions: Tensor) -> Tensor:
    """Central differences of the mean loss in all directions [k]."""
    width, vector = 1e-5, start()
    ends = [(mean_loss(vector + width * way), mean_loss(vector - width * way)) for way in directions.T]
    return torch.stack([(above - below) / (2 * width) for above, below in ends])


def estimated(group: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Of one group, for a task's truncations: what batches of particles estimate, both ways [batches, 202]."""
    unrolls = Unrolls(Plain(), FORM, LENGTHS, STREAM.fold(group), PARTICLES)
    # As if all had had a task: a first one is shorter.
    unrolls.restore({**unrolls.state(), "tasks": torch.ones(PARTICLES, dtype=torch.int64)})
    total = torch.zeros(PARTICLES, FORM.size, dtype=torch.float64)
    for at in range(TRUNCATIONS):
        eps = noise(STREAM.fold("noise", group, at).spread(PARTICLES), FORM.size, SIGMA)
        begins, above, below = unrolls.advance(torch.cat((start() + eps, start() - eps)), at)
        assert begins.tolist() == [at == 0] * PARTICLES
        total = persisted(total, eps, begins)
        by_batch = [zip(*(part.chunk(BATCHES) for part in (above, below, way)), strict=True) for way in (total, eps)]
        persistent, truncated = (torch.stack([gradient(*part, SIGMA) for part in parts]) for parts in by_batch)
        yield persistent, truncated


@pytest.mark.theory
def test_persistent_strategies_find_the_slope_that_differences_find(directions: Tensor, differences: Tensor) -> None:
    """Within five standard errors in all directions; truncated strategies are far off in the gradient's own."""
    groups = [torch.stack([torch.stack(both) for both in estimated(group)]).mean(0) for group in range(GROUPS)]
    persistent, truncated = torch.cat(groups, 1) @ directions
    error = persistent.std(0) / len(persistent) ** 0.5
    assert ((persistent.mean(0) - differences).abs() < SIGMAS * error).all()
    # The error is small enough to see a bias of a sixth.
    assert SIGMAS * error[0] < differences[0] / 6
    missed = differences[0] - truncated[:, 0].mean()
    assert missed > differences[0] / 2 > 2 * SIGMAS * truncated[:, 0].std() / len(truncated) ** 0.5


def test_differences_agree_with_automatic_differentiation(directions: Tensor, differences: Tensor) -> None:
    vector = start().requires_grad_()
    mean_loss(vector).backward()
    assert vector.grad is not None
    torch.testing.assert_close(vector.grad @ directions, differences, rtol=1e-5, atol=1e-7)
