"""Ski rental: robust and consistent as the paper has it, rules that are learned, thresholds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fedkd.errors import ConfigurationError
from fedkd.predict.ski_rental import LearnedTrust, Threshold, losses, thresholds
from fedkd.predict.ski_rules import Deterministic, Randomised, Rule


def days_of(rule: Rule, draws: np.random.Generator) -> int:
    """How long it lasts: short, about the price, or about the day on which a sceptic buys; often exactly that day."""
    around = draws.choice([1.0, 0.5 * rule.price, rule.price, rule.day(0.0, 0.999), rule.day(rule.price, 0.999)])
    return max(1, round(around) + int(draws.integers(-2, 3)))


def predictions(rule: Rule, days: int, draws: np.random.Generator) -> list[float]:
    """The truth, near it, the other side of the price, and none at all."""
    near = days + draws.normal() * rule.price
    return [days, near, 0.0 if days >= rule.price else rule.price, math.nextafter(rule.price, 0), math.inf]


def a_deterministic_rule(draws: np.random.Generator) -> Rule:
    price = float(draws.integers(1, 100)) if draws.random() < 0.5 else draws.uniform(1, 100)
    return Deterministic(price, 1 - draws.random() ** draws.choice([1, 5, 0.2]) * (1 - 1e-9))


def a_randomised_rule(draws: np.random.Generator) -> Rule:
    price = int(draws.integers(2, 100))
    inside = draws.choice([draws.random(), 1e-9, 1 - 1e-9])
    return Randomised(price, 1 / price + (1 - 1 / price) * min(max(inside, 1e-9), 1 - 1e-9))


@pytest.mark.parametrize("draw", [a_deterministic_rule, a_randomised_rule])
def test_rules_are_robust_and_consistent(draw: object) -> None:
    """3,000 rules, five predictions each; the ceilings do no harm."""
    draws = np.random.default_rng(0)
    for _ in range(3000):
        rule = draw(draws)  # type: ignore[operator]
        days = days_of(rule, draws)
        optimum = min(days, rule.price)
        for predicted in predictions(rule, days, draws):
            assert rule.cost(predicted, days) <= rule.robust * optimum * (1 + 1e-12)
        assert rule.cost(days, days) <= rule.consistent * optimum * (1 + 1e-12)


def test_rules_are_robust_and_consistent_for_every_number_of_days() -> None:
    for price in range(2, 16):
        for trust in np.linspace(1 / price, 1, 17)[1:-1].tolist():
            for rule in (Deterministic(price, trust), Randomised(price, trust)):
                for days in range(1, int(price / trust) + 4):
                    optimum = min(days, price)
                    assert max(rule.cost(0, days), rule.cost(price, days)) <= rule.robust * optimum * (1 + 1e-12)
                    assert rule.cost(days, days) <= rule.consistent * optimum * (1 + 1e-12)


def test_the_bounds_are_reached() -> None:
    """Up to the day that is rented less."""
    rule = Deterministic(10_000, 0.25)
    assert rule.cost(10_000, 2500) / 2500 == pytest.approx(rule.robust, rel=1e-3)
    assert rule.cost(10_000, 10_000) / 10_000 == pytest.approx(rule.consistent, rel=1e-3)
    rule = Randomised(10_000, 0.25)
    assert rule.cost(10_000, 2500) / 2500 == pytest.approx(rule.robust, rel=1e-3)
    assert rule.cost(10_000, 10_000) / 10_000 == pytest.approx(rule.consistent, rel=1e-3)


def test_the_deterministic_rule_by_hand() -> None:
    rule = Deterministic(price=10, trust=0.25)
    assert (rule.day(10.0), rule.day(9.9)) == (3, 40)
    assert [rule.cost(10.0, days) for days in (2, 3, 50)] == [2, 12, 12]
    assert [rule.cost(0.0, days) for days in (39, 40)] == [39, 49]
    assert (rule.robust, rule.consistent) == (5, 1.25)


def test_the_randomised_rule_by_hand() -> None:
    """b = 2, trust 3/4, predicted short: k = 3, q = (1, 2, 4)/7; over one day 1 + 1/7 is paid: 2 if bought, else 1."""
    rule = Randomised(price=2, trust=0.75)
    assert rule.chances(1.0) == pytest.approx(np.array([1, 2, 4]) / 7)
    assert rule.chances(2.0) == pytest.approx([1])
    assert [rule.cost(1.0, days) for days in (1, 2, 3, 9)] == pytest.approx([8 / 7, 16 / 7, 24 / 7, 24 / 7])
    assert [rule.day(1.0, uniform) for uniform in (0.0, 0.15, 0.43, 1 - 2**-53)] == [1, 2, 3, 3]


def test_the_expected_cost_is_that_of_the_chances() -> None:
    draws = np.random.default_rng(1)
    for _ in range(1000):
        rule = a_randomised_rule(draws)
        assert isinstance(rule, Randomised)
        days, predicted = days_of(rule, draws), float(draws.uniform(0, 2) * rule.price)
        chances = rule.chances(predicted)
        bought = np.arange(1, len(chances) + 1)
        paid = np.where(bought <= days, bought - 1 + rule.price, days)
        assert chances.sum() == pytest.approx(1)
        assert rule.cost(predicted, days) == pytest.approx(chances @ paid)
        last = len(chances)
        written = (1 - 1 / rule.price) ** (last - bought) / (rule.price * (1 - (1 - 1 / rule.price) ** last))
        assert np.allclose(chances, written, rtol=1e-9, atol=0)


def rules(price: int) -> list[Rule]:
    return [*(Deterministic(price, trust) for trust in (0.05, 0.25, 0.5, 1.0)), Randomised(price, 0.5)]


@pytest.mark.parametrize(("error", "best"), [(0.1, 0), (200.0, 3)])
def test_trust_is_learned(error: float, best: int) -> None:
    """Two days, or sixty in one case of ten: good predictions are trusted; useless ones are hedged against."""
    draws, learner = np.random.default_rng(2), LearnedTrust(rules(10))
    for _ in range(2000):
        days = 60 if draws.random() < 0.1 else 2
        learner.observe(max(days + error * draws.standard_normal(), 0), days)
    found = learner.regret()
    assert found.optimum <= found.best <= found.surrogate <= found.best * 1.02
    assert learner.rules[best].day(10.0, 0.5) == learner.suggest(10.0, 0.5)


def test_learned_trust_stays_below_its_bound() -> None:
    """3,000 sequences; half of them with predictions that mislead the heaviest rule."""
    for seed in range(3000):
        draws = np.random.default_rng(seed)
        price, paid = int(draws.integers(2, 30)), np.zeros(5)
        learner = LearnedTrust([Deterministic(price, trust) for trust in draws.uniform(0.05, 1, 5).tolist()])
        for _ in range(8):
            predicted = float(draws.uniform(0, 3) * price)
            day = learner.suggest(predicted, 0.5)
            days = day if seed % 2 else int(draws.integers(1, 4 * price))
            learner.observe(predicted, days)
            paid += [rule.cost(predicted, days) for rule in learner.rules]
            found = learner.regret()
            assert found.best == pytest.approx(paid.min())
            assert found.surrogate - found.best <= learner.bound + 1e-9 * found.surrogate


def test_the_rest_of_the_uniform_number_picks_the_day() -> None:
    learner = LearnedTrust([Randomised(10, 0.3), Randomised(10, 0.9)])
    uniforms = (np.arange(20_000) + 0.5) / 20_000
    days = np.array([learner.suggest(0.0, uniform) for uniform in uniforms.tolist()])
    expected = np.zeros(35)
    for rule in learner.rules:
        chances = rule.chances(0.0)  # type: ignore[attr-defined]
        expected[1 : len(chances) + 1] += chances / 2
    assert np.bincount(days, minlength=35) / 20_000 == pytest.approx(expected, abs=2e-4)


def test_threshold_losses_are_those_of_the_definition() -> None:
    draws = np.random.default_rng(3)
    for _ in range(3000):
        times = draws.choice([draws.random(5), draws.integers(0, 4, 5).astype(float)])[: draws.integers(1, 6)]
        grid, price = np.array([*draws.random(4), *draws.integers(0, 4, 3), math.inf]), draws.uniform(0.1, 3)
        slow = [min(times.max(), tau) + price * (times > tau).sum() for tau in grid]
        assert losses(times, grid, price) == pytest.approx(slow)


def test_the_default_thresholds_lose_little() -> None:
    """Beside every tau on a fine grid: at most the factor 2^(1/4), or 1/64 of the price, as the docstring has it."""
    fine = np.concatenate([[0.0], np.geomspace(1e-4, 1e4, 2000), [np.inf]])
    for seed in range(300):
        draws = np.random.default_rng(seed)
        most, price = int(draws.integers(1, 9)), float(10 ** draws.uniform(-2, 2))
        seen = [price * draws.lognormal(draws.normal(), 2, most) for _ in range(20)]
        best = sum(losses(times, fine * price, price) for times in seen).min()  # type: ignore[attr-defined]
        ours = sum(losses(times, thresholds(price, most), price) for times in seen).min()  # type: ignore[attr-defined]
        assert ours <= 2**0.25 * best * (1 + 1 / 64) + 20 * price / 64


def test_the_default_thresholds_are_these() -> None:
    grid = thresholds(64.0)
    assert grid[[0, 1, 5, 25, -2, -1]] == pytest.approx([0, 1, 2, 64, 4096, math.inf])
    assert len(grid) == 51
    assert thresholds(1.0, most=6)[-2] >= 64 * 6


def test_a_threshold_is_learned() -> None:
    """Three of twenty are slow: to wait for them costs 8, to leave them 3."""
    draws, learner = np.random.default_rng(4), Threshold(price=1.0)
    for _ in range(200):
        learner.observe(np.concatenate([draws.uniform(0.5, 1, 17), draws.uniform(8, 12, 3)]))
    assert 0.9 < learner.suggest(0.5) < 1.5
    found = learner.regret()
    assert found.optimum <= found.best <= found.surrogate <= 1.05 * found.best
    assert found.best == pytest.approx(200 * 4, rel=0.02)


def test_threshold_regret_stays_below_its_bound() -> None:
    """3,000 sequences; in half of them all come just after the heaviest threshold."""
    for seed in range(3000):
        draws = np.random.default_rng(seed)
        learner, paid = Threshold(float(10 ** draws.uniform(-1, 1))), 0.0
        for _ in range(6):
            wait = min(learner.suggest(0.5), 1e3)
            times = draws.lognormal(0, 2, draws.integers(1, 6)) if seed % 2 else np.full(2, wait * 1.001)
            learner.observe(times)
            paid += losses(times, learner.grid, learner.price)
            found = learner.regret()
            assert found.best == pytest.approx(np.min(paid))
            assert found.surrogate - found.best <= learner.bound + 1e-9 * found.surrogate


def test_the_optimum_of_a_threshold_is_that_of_each_outcome() -> None:
    learner = Threshold(2.0, np.array([0.0, math.inf]))
    learner.observe(np.array([9.0, 1.0, 3.0]))
    assert learner.regret().optimum == 3 + 2
    learner.observe(np.array([100.0]))
    assert learner.regret().optimum == 5 + 2
    learner.observe(np.array([0.5]))
    assert learner.regret().optimum == 5 + 2 + 0.5


def test_what_was_learned_is_kept() -> None:
    draws, threshold, trust = np.random.default_rng(5), Threshold(3.0), LearnedTrust(rules(10))
    for _ in range(20):
        threshold.observe(draws.random(4) * 9)
        trust.observe(draws.random() * 20, int(draws.integers(1, 30)))
    waits, trusts = Threshold.resumed(threshold.keep()), LearnedTrust.resumed(trust.keep(), rules(10))
    for each in (threshold, waits):
        each.observe(np.array([1.0, 2.0]))
    for one in (trust, trusts):
        one.observe(4.0, 5)
    assert (waits.regret(), trusts.regret()) == (threshold.regret(), trust.regret())
    assert (waits.weights == threshold.weights).all()
    assert (waits.price, waits.bound, trusts.bound) == (3.0, threshold.bound, trust.bound)


@pytest.mark.parametrize(("price", "trust"), [(0.5, 0.5), (math.inf, 0.5), (2, 0.0), (2, 1.1), (math.nan, 0.5)])
def test_what_is_no_deterministic_rule_is_refused(price: float, trust: float) -> None:
    with pytest.raises(ConfigurationError, match="choose"):
        Deterministic(price, trust)


@pytest.mark.parametrize(("price", "trust"), [(1, 0.5), (2.5, 0.9), (10, 0.1), (10, 1.0), (math.inf, 0.5)])
def test_what_is_no_randomised_rule_is_refused(price: int, trust: float) -> None:
    with pytest.raises(ConfigurationError, match="choose"):
        Randomised(price, trust)


def test_rules_must_agree_on_the_price() -> None:
    for wrong in ([], [Deterministic(2, 0.5), Deterministic(3, 0.5)]):
        with pytest.raises(ConfigurationError, match="all at one price"):
            LearnedTrust(wrong)
    with pytest.raises(ConfigurationError, match="days >= 1"):
        LearnedTrust(rules(10)).observe(3.0, 0)
    with pytest.raises(ConfigurationError, match="give a number"):
        LearnedTrust(rules(10)).observe(math.nan, 1)


def test_what_is_no_threshold_is_refused() -> None:
    for price in (0.0, math.inf, math.nan):
        with pytest.raises(ConfigurationError, match="choose price > 0"):
            Threshold(price)
    with pytest.raises(ConfigurationError, match="choose thresholds >= 0"):
        Threshold(1.0, np.array([1.0, -1.0]))
    with pytest.raises(ConfigurationError, match="choose most >= 1"):
        thresholds(1.0, 0)
    for times in ([], [-1.0], [math.inf], [math.nan], [[1.0]]):
        with pytest.raises(ConfigurationError, match="at least one, finite"):
            Threshold(1.0).observe(np.array(times))
