"""A stale client is sent what it missed or everything, whichever is shorter; those bytes are counted."""

from dataclasses import dataclass

import pytest
import torch

from fedkd.algorithms import Sgd
from fedkd.clients import Participation
from fedkd.federation import run
from fedkd.messages import Kind, Message
from tests.equivalence.quadratic import CLIENTS, Case, federation

DIM, SAMPLES = 400, 8


@dataclass(frozen=True)
class Absent(Participation):
    """Client 0 takes part in the first round and again after ``gap`` rounds; the others always."""

    gap: int

    def draw(self, clients, key):
        raise AssertionError("the test draws cohorts itself")

    def probability(self, clients):
        return 1.0


def returning(name, gap):
    """The messages to client 0 when it comes back, and the state of both ends after it has read them."""
    case = Case(name, participation=Absent(gap), workers=CLIENTS, dim=DIM, samples=SAMPLES, server=Sgd(0.01))
    whole, model = federation(case)
    algorithm, executor = whole.algorithm, whole.executor
    state = algorithm.start(model + 1)
    for round_ in range(gap + 2):
        cohort = tuple(range(CLIENTS)) if round_ in (0, gap + 1) else tuple(range(1, CLIENTS))
        broadcast, state = algorithm.broadcast(state, cohort)
        held = state
        replies = [Message.unpack(reply.data) for reply in executor.exchange(broadcast, tuple).replies]
        state = algorithm.aggregate(state, algorithm.collect(state, replies))
    return broadcast, held, executor.workers[0]


def kinds(broadcast):
    return [Message.unpack(data).kind for data in broadcast.unicast.get(0, ())]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", ["mcm", "artemis", "dore"])
def test_after_a_short_absence_the_missed_messages_are_sent(name):
    broadcast, held, worker = returning(name, gap=3)
    assert kinds(broadcast) == [Kind.CHANGE] * 3
    assert broadcast.bytes_unicast < 4 * DIM
    memory = held.downlink.memory if name == "mcm" else held.model
    assert torch.equal(worker.receiver.state.memory, memory)


@pytest.mark.parametrize("name", ["mcm", "artemis", "dore"])
def test_after_a_long_absence_everything_is_sent(name):
    broadcast, held, worker = returning(name, gap=40)
    assert kinds(broadcast) == [Kind.FULL]
    memory = held.downlink.memory if name == "mcm" else held.model
    assert torch.equal(worker.receiver.state.memory, memory)


@pytest.mark.parametrize("name", ["sgd", "diana", "qsgd"])
def test_an_uncompressed_downlink_needs_no_catching_up(name):
    broadcast, _, _ = returning(name, gap=5)
    assert broadcast.bytes_unicast == 0


def test_history_is_bounded_by_the_size_of_the_model():
    whole, model = federation(Case("mcm", dim=DIM, samples=SAMPLES, server=Sgd(0.01)))
    for state, _ in run(whole, whole.algorithm.start(model), 60):
        assert sum(map(len, state.downlink.history)) <= 4 * DIM
    assert len(state.downlink.history) > 3
