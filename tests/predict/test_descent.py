"""Descent: regret below its bound along the whole curve, beside the exact best in hindsight."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from fedkd.errors import ConfigurationError
from fedkd.predict.descent import Descent, LinearDescent
from fedkd.predict.medians import Medians

Floats = NDArray[np.float64]
Outcomes = Callable[[Floats, int, np.random.Generator], Floats]


def chance(point: Floats, step: int, draws: np.random.Generator) -> Floats:
    return draws.uniform(-1, 1, len(point))


def heavy(point: Floats, step: int, draws: np.random.Generator) -> Floats:
    """Far outside any box."""
    return draws.standard_cauchy(len(point)) * 100


def opposite(point: Floats, step: int, draws: np.random.Generator) -> Floats:
    """At the other end of the box."""
    return np.where(point >= 0, -1.0, 1.0)


def alternating(point: Floats, step: int, draws: np.random.Generator) -> Floats:
    return np.full(len(point), (-1.0) ** step)


def constant(point: Floats, step: int, draws: np.random.Generator) -> Floats:
    return np.linspace(-1, 1, len(point))


def just_beside(point: Floats, step: int, draws: np.random.Generator) -> Floats:
    return point + 1e-6 * draws.choice([-1.0, 0.0, 1.0], len(point))


OUTCOMES = [chance, heavy, opposite, alternating, constant, just_beside]


def best_of(outcomes: Floats, low: Floats, high: Floats) -> float:
    return float(np.abs(outcomes - np.median(outcomes, axis=0).clip(low, high)).sum())


@pytest.mark.sampled(2)
@pytest.mark.parametrize("outcomes", OUTCOMES)
def test_regret_stays_below_its_bound(outcomes: Outcomes) -> None:
    """500 sequences of each of six kinds, at every step."""
    for seed in range(500):
        draws = np.random.default_rng(seed)
        dim, half = int(draws.integers(1, 5)), float(10 ** draws.uniform(-1, 1))
        middle = draws.uniform(-1, 1, dim) * draws.integers(0, 2)
        descent, seen = Descent(middle - half, middle + half), []
        for step in range(1, 13):
            seen.append(outcomes(descent.suggest(), step, draws))
            descent.observe(seen[-1])
            found = descent.regret()
            assert found.best == pytest.approx(best_of(np.array(seen), middle - half, middle + half))
            assert found.surrogate - found.best <= descent.bound + 1e-9 * (1 + found.surrogate)
            assert descent.bound <= 3 * half * dim * math.sqrt(step) + 1e-9


@pytest.mark.parametrize("outcomes", OUTCOMES)
def test_regret_stays_below_its_bound_for_long(outcomes: Outcomes) -> None:
    draws, descent = np.random.default_rng(1), Descent(-np.ones(3), np.ones(3))
    for step in range(1, 3001):
        descent.observe(outcomes(descent.suggest(), step, draws))
        if step % 50 == 0:
            found = descent.regret()
            assert found.surrogate - found.best <= descent.bound + 1e-9 * (1 + found.surrogate)
            assert descent.bound <= 9 * math.sqrt(step)


def test_the_bound_is_of_the_right_size() -> None:
    """The adversary who always takes the other end is within a factor of eight of it."""
    descent = Descent(-np.ones(1), np.ones(1))
    for step in range(2000):
        descent.observe(opposite(descent.suggest(), step, np.random.default_rng(0)))
    found = descent.regret()
    assert found.surrogate - found.best > descent.bound / 8


def test_three_steps_by_hand() -> None:
    descent = Descent(np.array([0.0]), np.array([8.0]))
    suggested = []
    for outcome in (5.0, 7.0, 7.0):
        suggested.append(float(descent.suggest()[0]))
        descent.observe(np.array([outcome]), cost=2.0, optimum=1.0)
    assert suggested == pytest.approx([4, 8, 8 - 4 / math.sqrt(2)])
    found = descent.regret()
    assert found.surrogate == pytest.approx(1 + 1 + abs(8 - 4 / math.sqrt(2) - 7))
    assert (found.count, found.best, found.cost, found.optimum) == (3, 2.0, 6.0, 3.0)


def test_what_was_right_does_not_move() -> None:
    descent = Descent(np.array([0.0, 0.0]), np.array([2.0, 2.0]))
    descent.observe(np.array([1.0, 1.5]))
    assert list(descent.suggest()) == [1.0, 2.0]
    assert descent.bound == 1.0


def test_the_median_is_found() -> None:
    draws, descent = np.random.default_rng(3), Descent(np.zeros(2), np.full(2, 50.0))
    for _ in range(4000):
        descent.observe(np.array([3.0, 20.0]) * draws.lognormal(0, 1, 2))
    assert descent.suggest() == pytest.approx([3, 20], abs=2.0)
    assert descent.regret().surrogate < 1.03 * descent.regret().best


@pytest.mark.parametrize("kind", ["lognormal", "integers", "sorted"])
def test_the_best_is_exact_where_the_median_keeps_to_the_middle(kind: str) -> None:
    draws = np.random.default_rng(4)
    seen = {
        "lognormal": draws.lognormal(0, 1, (5000, 3)),
        "integers": draws.integers(0, 5, (5000, 3)).astype(float),
        "sorted": np.sort(draws.random((5000, 3)), axis=0),
    }[kind]
    medians = Medians(3)
    for outcome in seen:
        medians.add(outcome)
    wide = np.full(3, 1e9)
    assert medians.least(-wide, wide) == pytest.approx(
        best_of(seen, -wide, wide), rel=1e-3 if kind == "sorted" else 1e-12
    )
    assert medians.counts.sum(axis=0) == pytest.approx(np.full(3, 5000))
    assert len(medians.values) <= 1024


def test_the_best_is_never_too_large() -> None:
    """Outcomes that drift: the median leaves the rows that were kept one by one."""
    for seed in range(10):
        walk = np.cumsum(np.random.default_rng(seed).standard_normal((4000, 2)), axis=0)
        medians, wide = Medians(2), np.full(2, 1e9)
        for outcome in walk:
            medians.add(outcome)
        exact = best_of(walk, -wide, wide)
        assert 0.98 * exact <= medians.least(-wide, wide) <= exact * (1 + 1e-12)


@pytest.mark.parametrize("outcomes", OUTCOMES)
def test_linear_regret_stays_below_its_bound_for_every_matrix(outcomes: Outcomes) -> None:
    """500 sequences of each of six kinds, at every step; beside 80 matrices at the box's border and 20 in it."""
    for seed in range(500):
        draws = np.random.default_rng(seed)
        width, dim, radius = int(draws.integers(1, 4)), int(draws.integers(1, 3)), float(10 ** draws.uniform(-1, 1))
        descent = LinearDescent(width, dim, radius)
        corners = draws.choice([-1.0, 0.0, 1.0], (80, width, dim))
        rivals = np.concatenate([corners, draws.uniform(-1, 1, (20, width, dim))]) * radius
        sums, scale = np.zeros(len(rivals)), 10 ** draws.uniform(-1, 1, width)
        for step in range(1, 13):
            features = scale * draws.standard_normal(width)
            outcome = outcomes(descent.suggest(features), step, draws)
            descent.observe(features, outcome)
            sums += np.abs(features @ rivals - outcome).sum(axis=-1)
            assert descent._surrogate - sums.min() <= descent.bound + 1e-9 * (1 + descent._surrogate)


@pytest.mark.parametrize("seed", range(8))
def test_the_best_matrix_is_that_of_the_linear_programme(seed: int) -> None:
    """In one dimension every optimum is at a kink, y/f, or at an end of the box, which it is for the odd seeds."""
    draws, descent = np.random.default_rng(seed), LinearDescent(1, 2, radius=2.0)
    features = draws.standard_normal(40)
    outcomes = draws.standard_normal((40, 2)) * 3 + seed % 2 * 5 * features[:, None]
    for feature, outcome in zip(features, outcomes, strict=True):
        descent.observe(np.array([feature]), outcome)
    kinks = np.concatenate([outcomes / features[:, None], [[-2, -2], [2, 2]]]).clip(-2, 2)
    best = np.abs(features[:, None] * kinks[:, None, :] - outcomes).sum(axis=1).min(axis=0).sum()
    found = descent.regret()
    assert found.best == pytest.approx(best)
    assert found.surrogate - found.best <= descent.bound


def test_a_line_is_learned() -> None:
    draws, descent = np.random.default_rng(5), LinearDescent(2, 1, radius=4.0)
    for _ in range(4000):
        features = np.array([1.0, draws.random()])
        descent.observe(features, features @ np.array([[1.0], [3.0]]) * draws.lognormal(0, 0.1), cost=1.0, optimum=0.5)
    assert descent.matrix[:, 0] == pytest.approx([1, 3], abs=0.3)
    found = descent.regret()
    assert (found.count, found.cost, found.optimum) == (4000, 4000, 2000)
    assert found.surrogate - found.best < descent.bound / 4


def test_two_linear_steps_by_hand() -> None:
    descent = LinearDescent(2, 1, radius=4.0)
    descent.observe(np.array([1.0, 3.0]), np.array([5.0]))
    assert descent.matrix[:, 0].tolist() == [4, 4]
    descent.observe(np.array([2.0, 0.0]), np.array([5.0]))
    assert descent.matrix[:, 0] == pytest.approx([4 - 4 * 2 / math.sqrt(5), 4])
    assert descent.regret().surrogate == 5 + 3
    assert descent.regret().best == pytest.approx(0)


def test_what_was_learned_is_kept() -> None:
    draws = np.random.default_rng(6)
    fixed, linear = Descent(-np.ones(2), np.ones(2)), LinearDescent(3, 2, radius=5.0)
    for _ in range(20):
        fixed.observe(draws.random(2))
        linear.observe(draws.random(3), draws.random(2))
    others = Descent.resumed(fixed.keep()), LinearDescent.resumed(linear.keep())
    for first, second in ((fixed, linear), others):
        first.observe(np.array([0.1, 0.2]))
        second.observe(np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.6]))
    assert (others[0].suggest() == fixed.suggest()).all()
    assert (others[1].matrix == linear.matrix).all()
    assert (others[0].bound, others[1].bound) == (fixed.bound, linear.bound)


def test_before_any_outcome_nothing_was_lost() -> None:
    assert Descent(np.zeros(1), np.ones(1)).regret().regret == 0
    assert LinearDescent(1).regret().regret == 0


@pytest.mark.parametrize(
    ("low", "high", "fix"),
    [
        ([0.0], [1.0, 2.0], "one length"),
        ([], [], "one length"),
        ([1.0], [1.0], "low < high"),
        ([-math.inf], [1.0], "low < high"),
        ([math.nan], [1.0], "low < high"),
    ],
)
def test_what_is_no_box_is_refused(low: list[float], high: list[float], fix: str) -> None:
    with pytest.raises(ConfigurationError, match=fix):
        Descent(np.array(low), np.array(high))


@pytest.mark.parametrize(("features", "outcomes", "radius"), [(0, 1, 1.0), (1, 0, 1.0), (1, 1, 0.0), (1, 1, math.inf)])
def test_what_is_no_matrix_is_refused(features: int, outcomes: int, radius: float) -> None:
    with pytest.raises(ConfigurationError, match="choose"):
        LinearDescent(features, outcomes, radius)


@pytest.mark.parametrize("outcome", [[1.0], [1.0, math.nan], [1.0, math.inf], [[1.0, 2.0]]])
def test_what_is_no_outcome_is_refused(outcome: list[float]) -> None:
    with pytest.raises(ConfigurationError, match="outcome of .*; give 2 finite numbers"):
        Descent(np.zeros(2), np.ones(2)).observe(np.array(outcome))
    with pytest.raises(ConfigurationError, match="give 2 finite numbers"):
        LinearDescent(1, 2).observe(np.array([1.0]), np.array(outcome))
    with pytest.raises(ConfigurationError, match="features of .*; give 2 finite numbers"):
        LinearDescent(2, 1).suggest(np.array(outcome))
