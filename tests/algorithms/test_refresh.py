"""A worker that comes late is told in one go what the others were told round by round."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
import torch

from fedkd.admission import admit
from fedkd.algorithms import Receiver
from fedkd.algorithms.downlinks import ReceiverState
from fedkd.clients import Bernoulli, ClientState, FixedCohort, Participation
from fedkd.executors import InProcess
from fedkd.keys import key
from fedkd.messages import Broadcast
from tests.equivalence.quadratic import CLIENTS, ROWS, SEED, federation
from tests.equivalence.test_memories import case_of

ROUNDS = 8
PARTICIPATIONS = {"fixed": FixedCohort(2), "bernoulli": Bernoulli(0.3)}

Told = tuple[Broadcast, tuple[bytes, ...], Receiver, dict[int, ClientState]]


def rounds(name: str, start: str, participation: Participation) -> Iterator[Told]:
    """Of every round: the broadcast, what a late worker hears before it, an empty receiver, the clients' states."""
    whole, model = federation(case_of(name, start, participation=participation))
    algorithm, executor = whole.algorithm, whole.executor
    assert isinstance(executor, InProcess)
    state = algorithm.start(model + 1)
    for round_ in range(ROUNDS):
        cohort = participation.draw(CLIENTS, key(SEED, "participation", round_))
        late = algorithm.refresh(state)
        broadcast, state = algorithm.broadcast(state, cohort)
        store = executor.workers[0].store
        states = {client: store.before(client, round_) for client in cohort}
        yield broadcast, late, algorithm.receiver(), states
        replies = admit(executor.exchange(broadcast, tuple), broadcast, partial(whole.expected, state)).updates
        state = algorithm.aggregate(state, algorithm.collect(state, replies))


def same(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, (ReceiverState, ClientState)):
        return all(same(value, getattr(b, name)) for name, value in vars(a).items())
    return a == b


@pytest.mark.sampled(4)
@pytest.mark.parametrize("participation", PARTICIPATIONS)
@pytest.mark.parametrize("start", ["zero", "first"])
@pytest.mark.parametrize("name", ROWS)
def test_late_worker_holds_what_one_holds_that_heard_everything(name: str, start: str, participation: str) -> None:
    veteran: Receiver | None = None
    compared = 0
    for broadcast, late, fresh, states in rounds(name, start, PARTICIPATIONS[participation]):
        veteran = veteran or fresh
        if fresh is not veteran:
            fresh.hear((*late, *broadcast.shared))
        veteran.hear(broadcast.shared)
        for client, before in states.items():
            own = broadcast.unicast.get(client, ())
            x, after = veteran.read(client, before, own)
            late_x, late_after = fresh.read(client, before, own)
            assert same(late_x, x)
            assert same(late_after, after)
            assert same(fresh.state, veteran.state)
            compared += fresh is not veteran
    assert compared >= ROUNDS
