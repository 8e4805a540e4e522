"""Meta-training: the same gradient and theta on any number of ranks, to the last bit; what a step tells; it learns."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from fedkd.keys import key
from fedkd.metatraining.evolution import gradient, noise
from fedkd.metatraining.exchange import Alone, Exchange
from fedkd.metatraining.families import FAMILIES, Quadratics
from fedkd.metatraining.terms import Terms
from fedkd.metatraining.training import MetaTraining, Progress, dealt, mean_loss
from fedkd.metatraining.unrolls import Lengths, Unrolls
from tests.metatraining.ranks import together

TERMS = Terms(
    families=("quadratics", "quadratics", "signals"),
    particles=3,
    steps=4,
    truncation=2,
    shortest=2,
    longest=8,
    warm_up=0,
    sigma=0.05,
)


class Told(NamedTuple):
    """Of a rank, after all steps."""

    gradients: list[Tensor]
    losses: list[list[float]]
    theta: Tensor
    totals: Tensor
    groups: list[int]


def trained(exchange: Exchange, terms: Terms = TERMS) -> Told:
    training, gradients, losses = MetaTraining(terms, exchange), [], []
    for _ in range(terms.steps):
        estimate, means = training.estimated()
        gradients.append(estimate)
        losses.append(means)
        training.learner.move(estimate)
    return Told(gradients, losses, training.learner.vector, training.totals, list(training.groups))


@pytest.fixture(scope="module")
def alone() -> Told:
    return trained(Alone())


@pytest.mark.parametrize(("size", "groups"), [(2, [[2], [0, 1]]), (3, [[2], [0], [1]]), (4, [[2], [0], [1], []])])
def test_all_ranks_have_the_gradient_and_theta_of_one_process(size: int, groups: list[list[int]], alone: Told) -> None:
    """Also one that has no group."""
    ranks = together(size, trained)
    assert [rank.groups for rank in ranks] == groups
    for rank in ranks:
        for one, other in zip(rank.gradients, alone.gradients, strict=True):
            assert torch.equal(one, other)
        assert rank.losses == alone.losses
        assert torch.equal(rank.theta, alone.theta)
        assert torch.equal(rank.totals, alone.totals)


def test_the_gradient_is_the_persistent_estimate_over_all_groups(alone: Told) -> None:
    """Group by group from their streams, theta and the formulas; sums begin anew where tasks do."""
    streams = key(TERMS.seed, "optimizer").fold("particles")
    form, lengths = TERMS.form(), Lengths(TERMS.truncation, TERMS.shortest, TERMS.longest)
    groups = [
        Unrolls(FAMILIES[name](), form, lengths, streams.fold(group), TERMS.particles)
        for group, name in enumerate(TERMS.families)
    ]
    totals = [[torch.zeros(form.size, dtype=torch.float64)] * TERMS.particles for _ in groups]
    theta = MetaTraining(TERMS, Alone()).learner
    restarted = 0
    for step in range(TERMS.steps):
        estimates = []
        for group, unrolls in enumerate(groups):
            eps = noise(streams.fold(group, "noise", step).spread(TERMS.particles), form.size, TERMS.sigma)
            vectors = torch.cat((theta.vector + eps, theta.vector - eps)).float()
            begins, above, below = unrolls.advance(vectors, step)
            for place in range(TERMS.particles):
                totals[group][place] = eps[place] + (0 if begins[place] else totals[group][place])
                restarted += bool(begins[place] and step)
            estimates.append(gradient(above, below, torch.stack(totals[group]), TERMS.sigma))
            assert float((above + below).mean()) / 2 == pytest.approx(alone.losses[step][group], rel=1e-12)
        mean = torch.stack(estimates).mean(0)
        torch.testing.assert_close(mean, alone.gradients[step], rtol=1e-10, atol=1e-12)
        theta.move(mean)
    assert restarted > 0


def test_a_step_tells_of_itself_and_moves_theta(alone: Told) -> None:
    training = MetaTraining(TERMS, Alone())
    before = training.learner.vector.clone()
    first, second = training.advance(), training.advance()
    assert first == Progress(0, alone.losses[0], float(alone.gradients[0].norm()))
    assert second == Progress(1, alone.losses[1], float(alone.gradients[1].norm()))
    assert not torch.equal(training.learner.vector, before)


def test_groups_and_seeds_are_different(alone: Told) -> None:
    assert len(set(alone.losses[0])) == 3
    assert trained(Alone(), replace(TERMS, seed=1, steps=1)).losses != alone.losses[:1]


def test_mean_losses_are_of_each_group() -> None:
    assert mean_loss([Progress(0, [1.0, 4.0], 0.1), Progress(1, [3.0, 0.0], 0.2)]) == [2.0, 2.0]


def test_training_lowers_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a theta whose nominal step is far too small: within fifty steps it has learned to take longer ones."""
    monkeypatch.setitem(FAMILIES, "quadratics", lambda: Quadratics(3, 2, 0.1, 0.0))
    terms = replace(
        TERMS, families=("quadratics",), particles=16, truncation=5, shortest=20, longest=20, steps=50,
        nominal_step=0.01, exponent=1.0, sigma=0.03, rate=0.05,
    )  # fmt: skip
    training = MetaTraining(terms, Alone())
    past = [training.advance() for _ in range(terms.steps)]
    assert mean_loss(past[-10:])[0] < mean_loss(past[:10])[0] - 0.5


@pytest.mark.parametrize(
    ("works", "ranks", "given"),
    [
        ([1.0, 1.0, 1.0, 1.0], 2, [[0, 2], [1, 3]]),
        ([1.0, 1.0, 5.0, 2.0], 2, [[2], [0, 1, 3]]),
        ([1.0], 3, [[0], [], []]),
    ],
)
def test_groups_are_dealt_by_their_work(works: list[float], ranks: int, given: list[list[int]]) -> None:
    assert dealt(works, ranks) == given
