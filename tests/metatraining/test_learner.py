"""Steps of theta: AdamW by its formulas, the schedule, the cut, gradients that are not finite, the same bits again."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from fedkd.keys import key
from fedkd.metatraining.learner import ThetaLearner, scheduled
from fedkd.metatraining.terms import Terms
from fedkd.optimizers import drawn

TERMS = Terms(steps=12, warm_up=4, rate=0.02, decay=0.3, clip=2.0, seed=5)
SIZE = TERMS.form().size


def gradient(step: int, scale: float = 1.0) -> Tensor:
    """Norms from below to above the cut."""
    generator = torch.Generator().manual_seed(step)
    return scale * (0.02 + 0.05 * step) * torch.randn(SIZE, generator=generator, dtype=torch.float64)


def test_the_schedule_rises_to_one_and_falls_to_zero() -> None:
    values = [scheduled(step, 50, 2000) for step in range(2001)]
    assert values[:2] == [1 / 50, 2 / 50]
    assert values[49] == values[50] == 1
    assert values[1025] == pytest.approx(0.5)
    assert values[50 + 650] == pytest.approx((1 + math.cos(math.pi / 3)) / 2)
    assert values[2000] == pytest.approx(0, abs=1e-15)
    assert all(one > other for one, other in pairwise(values[50:]))


def test_the_schedule_without_a_warm_up_and_with_nothing_else() -> None:
    assert scheduled(0, 0, 10) == 1
    assert [scheduled(step, 3, 3) for step in range(4)] == [1 / 3, 2 / 3, 1, 1]


def test_theta_begins_as_it_is_drawn_from_the_seed() -> None:
    learner = ThetaLearner(TERMS)
    assert torch.equal(learner.vector, drawn(TERMS.form(), key(5, "optimizer"), torch.float64).vector)
    assert torch.equal(learner.theta.vector, learner.vector.float())
    assert learner.theta.form == TERMS.form()


def test_steps_are_those_of_adamw_on_cut_gradients() -> None:
    """Loshchilov and Hutter 2019, Algorithm 2, in NumPy; betas .9 and .999, epsilon 1e-8."""
    learner, norms = ThetaLearner(TERMS), []
    w = learner.vector.numpy().copy()
    m, v = np.zeros(SIZE), np.zeros(SIZE)
    for step in range(TERMS.steps):
        g = gradient(step).numpy()
        norms.append(float(np.linalg.norm(g)))
        assert learner.move(gradient(step)) == pytest.approx(norms[-1])
        g = g * min(1, TERMS.clip / norms[-1])
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        rate = TERMS.rate * scheduled(step, TERMS.warm_up, TERMS.steps)
        adam = m / (1 - 0.9 ** (step + 1)) / (np.sqrt(v / (1 - 0.999 ** (step + 1))) + 1e-8)
        w = w - rate * (adam + TERMS.decay * w)
        np.testing.assert_allclose(learner.vector.numpy(), w, rtol=1e-10, atol=1e-13)
    assert min(norms) < TERMS.clip < max(norms)
    assert learner.step == TERMS.steps


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("at", [0, 3])
def test_a_gradient_that_is_not_finite_moves_nothing_but_the_schedule(value: float, at: int) -> None:
    learner = ThetaLearner(TERMS)
    for step in range(at):
        learner.move(gradient(step))
    before = {name: part.clone() for name, part in learner.state().items()}
    broken = gradient(at)
    broken[7] = value
    assert not math.isfinite(learner.move(broken))
    after = learner.state()
    assert int(after.pop("at")) == at + 1
    assert before.keys() - {"at"} == after.keys()
    assert all(torch.equal(part, before[name]) for name, part in after.items())
    learner.move(gradient(at))
    assert not torch.equal(learner.vector, before["theta"])


@pytest.mark.parametrize("at", [0, 1, 5])
def test_a_learner_goes_on_to_the_same_bits(at: int) -> None:
    learner, other = ThetaLearner(TERMS), ThetaLearner(replace(TERMS, seed=6))
    for step in range(at):
        learner.move(gradient(step))
    other.restore({name: part.clone() for name, part in learner.state().items()})
    for step in range(at, TERMS.steps):
        assert learner.move(gradient(step)) == other.move(gradient(step))
        assert torch.equal(learner.vector, other.vector)


def test_a_small_gradient_is_not_scaled_up() -> None:
    """Adam's step hardly depends on a gradient's size, but its moments do."""
    learner = ThetaLearner(TERMS)
    small = gradient(0, 1e-3)
    learner.move(small)
    torch.testing.assert_close(learner.state()["exp_avg"], 0.1 * small)
