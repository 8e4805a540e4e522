"""Federated rounds: beside a plain loop of local steps, and what a task's division and a round's cohort are."""

from __future__ import annotations

from itertools import chain

import pytest
import torch
from torch import Tensor

from fedkd.keys import key
from fedkd.metatraining.evolution import noise
from fedkd.metatraining.families import Federated, Rounds
from fedkd.metatraining.families.federated import HELD_OUT
from fedkd.metatraining.families.networks import loss

STREAM = key(19, "optimizer")
SAMPLES, FEATURES = 120, 6
X, Y = noise(STREAM.spread(SAMPLES), FEATURES, 1.0), torch.arange(SAMPLES) // 5 % 4
ROUNDS = Rounds(clients=7, cohort=3, steps=4, batch=5, rate=0.3, least=0.1, most=10.0)
MODELS = 3
SIGMAS = 5.0


@pytest.fixture
def family() -> Federated:
    """In float64."""
    return Federated(X, Y, (5,), ROUNDS)


def begun(family: Federated) -> tuple[list[Tensor], list[Tensor]]:
    starts = [family.begin(stream) for stream in map(STREAM.spread(MODELS).row, range(MODELS))]
    params, fixed = ([torch.stack(parts) for parts in zip(*kind, strict=True)] for kind in zip(*starts, strict=True))
    return [part.double() for part in params], fixed


def picked(drawn: Tensor, counts: Tensor) -> dict[int, Tensor]:
    """From a round's uniform numbers of one task: the cohort, and places in each member's part [steps, batch]."""
    order = sorted(range(ROUNDS.clients), key=lambda client: float(drawn[client]))[: ROUNDS.cohort]
    uniforms = drawn[ROUNDS.clients :].view(ROUNDS.cohort, ROUNDS.steps, ROUNDS.batch)
    return {client: (uniforms[at] * counts[client]).long() for at, client in enumerate(order)}


def test_a_round_is_that_of_federated_averaging(family: Federated) -> None:
    """Local steps one after another, client by client; the mean of what they end with."""
    params, fixed = begun(family)
    drawn = family.draws(STREAM.spread(MODELS), 2)[:, 1]
    _, slopes = family.slopes(params, fixed, drawn)
    for model in range(MODELS):
        start, (places, counts) = [part[model] for part in params], (part[model] for part in fixed)
        ends = []
        for client, batches in picked(drawn[model], counts).items():
            local = [part.clone().requires_grad_() for part in start]
            for batch in batches:
                samples = places[client][batch].long()
                cost = loss(local, family.x[samples], family.y[samples])
                grads = torch.autograd.grad(cost, local)
                local = [
                    (part - ROUNDS.rate * grad).detach().requires_grad_()
                    for part, grad in zip(local, grads, strict=True)
                ]
            ends.append([part.detach() for part in local])
        for before, after, slope in zip(start, zip(*ends, strict=True), slopes, strict=True):
            mean = torch.stack(after).mean(0)
            torch.testing.assert_close(slope[model], (before - mean) / (ROUNDS.steps * ROUNDS.rate))


def test_the_loss_is_that_of_the_model_on_samples_that_no_client_holds(family: Federated) -> None:
    """Every fourth; whatever the cohort and its batches are."""
    params, fixed = begun(family)
    losses = [family.slopes(params, fixed, drawn)[0] for drawn in family.draws(STREAM.spread(MODELS), 2).unbind(1)]
    for model in range(MODELS):
        expected = loss([part[model] for part in params], X[::HELD_OUT], Y[::HELD_OUT])
        torch.testing.assert_close(losses[0][model], expected)
    assert torch.equal(*losses)
    assert len(family.x) == SAMPLES - SAMPLES // HELD_OUT
    assert not set(map(tuple, family.x.tolist())) & set(map(tuple, X[::HELD_OUT].tolist()))


def test_every_sample_is_of_one_client(family: Federated) -> None:
    places, counts = begun(family)[1]
    for task in range(MODELS):
        parts = [places[task, client, : counts[task, client]].tolist() for client in range(ROUNDS.clients)]
        assert min(map(len, parts)) > 0
        assert sorted(chain(*parts)) == list(range(len(family.x)))


class Watched:
    """Samples that remember which of them were looked at."""

    def __init__(self, x: Tensor) -> None:
        self.x, self.shape = x, x.shape
        self.places: list[Tensor] = []

    def __getitem__(self, places: Tensor) -> Tensor:
        self.places.append(places)
        return self.x[places]


def test_batches_come_from_their_clients_own_part_and_cohorts_are_uniform(family: Federated) -> None:
    params, fixed = begun(family)
    family.x = Watched(family.x)  # type: ignore[assignment]
    places, counts = fixed
    owners = [
        {
            int(place): client
            for client in range(ROUNDS.clients)
            for place in places[task, client, : counts[task, client]]
        }
        for task in range(MODELS)
    ]
    took_part, rounds = torch.zeros(ROUNDS.clients), 100
    for drawn in family.draws(STREAM.spread(MODELS), rounds).unbind(1):
        family.slopes(params, fixed, drawn)
        looked = torch.stack(family.x.places, 1).view(MODELS, ROUNDS.cohort, -1).tolist()
        family.x.places.clear()
        for own, members in zip(owners, looked, strict=True):
            cohort = [{own[place] for place in member} for member in members]
            assert [len(clients) for clients in cohort] == [1] * ROUNDS.cohort
            assert len(set.union(*cohort)) == ROUNDS.cohort
            took_part[list(set.union(*cohort))] += 1
    expected = MODELS * rounds * ROUNDS.cohort / ROUNDS.clients
    assert ((took_part - expected).abs() < SIGMAS * expected**0.5).all()


def test_concentrations_are_log_uniform(family: Federated, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of them are below the root of their bounds' product, within five standard errors."""
    from fedkd.metatraining.families import federated

    asked = []

    class Spy(federated.Dirichlet):
        def __post_init__(self) -> None:
            asked.append(self.alpha)

    monkeypatch.setattr(federated, "Dirichlet", Spy)
    for stream in map(STREAM.spread(300).row, range(300)):
        family.begin(stream)
    assert ROUNDS.least <= min(asked) < 0.11
    assert 9 < max(asked) <= ROUNDS.most
    assert abs(sum(alpha < 1 for alpha in asked) / 300 - 0.5) < SIGMAS * 0.5 / 300**0.5
