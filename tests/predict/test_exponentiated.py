"""Exponentiated gradient: convex surrogates on the simplex."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fedkd.errors import ConfigurationError
from fedkd.predict.exponentiated import ExponentiatedGradient


def test_linear_regret_is_exact_and_below_its_bound() -> None:
    """1,500 random sequences and 1,500 against the heaviest point, at every step."""
    for seed in range(3000):
        draws = np.random.default_rng(seed)
        learner = ExponentiatedGradient(int(draws.integers(1, 20)))
        size, sums, paid = 10 ** draws.uniform(-2, 2), 0.0, 0.0
        for step in range(1, 9):
            point = learner.suggest()
            gradient = size * (draws.uniform(-1, 1, len(point)) if seed % 2 else 2.0 * (point == point.max()))
            learner.observe(gradient)
            sums, paid = sums + gradient, paid + float(gradient @ point)
            found = learner.regret()
            assert max(abs(found.surrogate - paid), abs(found.best - np.min(sums))) < 1e-9 * size
            assert found.surrogate - found.best <= learner.bound + 1e-9 * size
            assert learner.bound <= 2 * size * (1.0607 * math.sqrt(step * math.log(len(point))) + 1.5) + 1e-9


def test_convex_regret_is_never_understated() -> None:
    """U_t(p) = |p - q_t|_1: beside no fixed p of fifty is the regret more than what is told."""
    for seed in range(300):
        draws = np.random.default_rng(seed)
        points = int(draws.integers(2, 8))
        learner, rivals = ExponentiatedGradient(points), draws.dirichlet(np.ones(points), 50)
        sums = np.zeros(50)
        for _ in range(30):
            wanted = draws.dirichlet(np.ones(points))
            point = learner.suggest()
            learner.observe(np.sign(point - wanted), loss=float(np.abs(point - wanted).sum()), cost=1.0, optimum=0.5)
            sums += np.abs(rivals - wanted).sum(axis=1)
            found = learner.regret()
            assert found.best <= sums.min() + 1e-9
            assert found.surrogate - found.best <= learner.bound + 1e-9
        assert (found.count, found.cost, found.optimum) == (30, 30, 15)


def test_it_moves_to_where_requests_come_from() -> None:
    """U_t(p) = 1 - p[s_t], requests 80 % from point 2."""
    draws, learner = np.random.default_rng(0), ExponentiatedGradient(10)
    assert learner.suggest() == pytest.approx(np.full(10, 0.1))
    for _ in range(500):
        source = 2 if draws.random() < 0.8 else int(draws.integers(10))
        gradient = np.zeros(10)
        gradient[source] = -1
        learner.observe(gradient, loss=1 - float(learner.suggest()[source]))
    assert learner.suggest()[2] > 0.99
    assert learner.suggest().sum() == pytest.approx(1)
    assert learner.regret().regret < 0.02


def test_one_step_by_hand() -> None:
    """The same as that of two experts: gap 1/2, rate 4 ln 2."""
    learner = ExponentiatedGradient(2)
    learner.observe(np.array([1.0, 0.0]))
    assert learner.suggest() == pytest.approx([1 / 17, 16 / 17])


def test_what_was_learned_is_kept() -> None:
    draws, learner = np.random.default_rng(1), ExponentiatedGradient(4)
    for _ in range(20):
        learner.observe(draws.random(4), loss=0.5, cost=0.7)
    found = ExponentiatedGradient.resumed(learner.keep())
    assert found.regret() == learner.regret()
    for each in (learner, found):
        each.observe(np.arange(4.0))
    assert found.regret() == learner.regret()
    assert (found.suggest() == learner.suggest()).all()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="choose points >= 1"):
        ExponentiatedGradient(0)
    with pytest.raises(ConfigurationError, match="give 3 finite numbers"):
        ExponentiatedGradient(3).observe(np.array([1.0, math.nan, 0.0]))
