"""Lengths and trust that are learned for preferential round robin."""

from __future__ import annotations

import numpy as np
import pytest

from fedkd.errors import ConfigurationError
from fedkd.predict.learned_robin import LearnedRobin
from fedkd.predict.round_robin import completions, optimum


def teach(learner: LearnedRobin, rounds: int, noise: float, seed: int = 0) -> None:
    draws = np.random.default_rng(seed)
    for _ in range(rounds):
        sizes = draws.uniform(1, 20, 6)
        features = np.stack([np.ones(6), sizes / 20], axis=1)
        learner.observe(features, np.maximum(1, (2 + sizes) * draws.lognormal(0, noise, 6)))


def test_lengths_and_trust_are_learned() -> None:
    good, poor = LearnedRobin(2, radius=40.0), LearnedRobin(2, radius=40.0)
    teach(good, 150, 0.05)
    teach(poor, 150, 2.0)
    assert good.suggest(np.array([[1.0, 0.1], [1.0, 0.9]]), 0.5)[0] == pytest.approx([4, 20], abs=3)
    assert good.suggest(np.ones((1, 2)), 0.5)[1] >= 0.875
    found = good.regret()
    assert found.count == 150
    assert found.surrogate <= 1.02 * found.best
    assert found.optimum <= found.cost <= 1.1 * found.optimum
    assert poor.regret().best / 150 > found.best / 150
    assert good.lengths.regret().count == 900


def test_learned_trust_is_no_worse_than_its_bound() -> None:
    learner, ratios = LearnedRobin(1, radius=1.0, trusts=(0.0, 0.5, 1.0)), np.zeros(3)
    draws = np.random.default_rng(4)
    for _ in range(200):
        lengths = 1 + draws.pareto(1, 5)
        features = -lengths[:, None] if draws.random() < 0.5 else lengths[:, None]
        predicted, _ = learner.suggest(features, 0.5)
        assert (predicted >= 1).all()
        ratios += [completions(lengths, predicted, trust).sum() / optimum(lengths) for trust in (0.0, 0.5, 1.0)]
        learner.observe(features, lengths)
        found = learner.regret()
        assert found.best == pytest.approx(ratios.min())
        assert found.surrogate - found.best <= learner.bound + 1e-9
    assert found.cost >= found.optimum > 0


def test_what_was_learned_is_kept() -> None:
    learner = LearnedRobin(2, radius=40.0, trusts=(0.2, 0.7))
    teach(learner, 10, 0.5)
    found = LearnedRobin.resumed(learner.keep())
    assert found.regret() == learner.regret()
    for each in (learner, found):
        teach(each, 3, 0.5, seed=1)
    assert found.regret() == learner.regret()
    assert found.suggest(np.ones((1, 2)), 0.5) == learner.suggest(np.ones((1, 2)), 0.5)


def test_what_cannot_be_is_refused() -> None:
    for wrong, fix in (
        (lambda: LearnedRobin(1, 1.0, (0.5, 2.0)), "choose 0 <= trust"),
        (lambda: LearnedRobin(1, 1.0).observe(np.ones((2, 1)), np.array([0.5, 1.0])), "choose a finer unit"),
        (lambda: LearnedRobin(1, 1.0).observe(np.ones((2, 1)), np.ones(3)), "give 2 finite"),
    ):
        with pytest.raises(ConfigurationError, match=fix):
            wrong()
