"""Whatever fails, in any order: the server and its clients hold the same, and the model holds what was admitted.

Beside the server runs its twin, told only of the updates that must count, with one worker that never fails.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest
import torch
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from fedkd import job
from fedkd.admission import Admission
from fedkd.algorithms.broadcast_model import BroadcastModel
from fedkd.algorithms.broadcast_step import BroadcastStep
from fedkd.checkpoints import Checkpoints
from fedkd.clients import FolderStore, MemoryStore, Store
from fedkd.evaluation import Evaluation
from fedkd.executors import Worker
from fedkd.executors.orders import Order
from fedkd.federation import play
from fedkd.links import Shift
from fedkd.messages import Message
from tests.equivalence.quadratic import CLIENTS, DIM, ROWS, Case, federation
from tests.faults.network import FATES, KEEPS, Ask, Diary, Moody, Network, Replay, Workers, same

KEPT, SOME = 2, 4
"""Checkpoints that are kept; clients that take part."""
LENIENT, TRAINER = Admission("drop", norm_cap=1e4, quorum=1e-12), Moody(1, 0, 0, "auto")
NAMES = ("sgd", "diana", "artemis", "dore", "mcm", "rand_mcm", "ef21_p_diana", "marina_p")
FAR = ("answers",) * 6 + FATES
HERE = ("answers", "answers", "late", "fails", "too long", "worker dies")
"""What happens to clients that are nodes, and to those of the server's own workers."""
THEN = ("", "", "", "checkpoint", "checkpoint", "goes on from the newest", "goes on from the one before")
"""What follows a round."""

numbers, clients = st.integers(0, 9999), st.integers(0, SOME - 1)
kinds = {"estimator": st.sampled_from(["PP1", "PP2"]), "start": st.sampled_from(["zero", "first"])}
nodes = st.lists(st.tuples(clients, st.sampled_from(["restart", "go_back", "lose"])), max_size=1)
replays = st.lists(st.builds(Replay, numbers, st.booleans()), max_size=2)


def asks(fates: Sequence[str]) -> st.SearchStrategy[list[Ask]]:
    """A cohort in the order in which its replies arrive."""
    one = st.builds(Ask, clients, st.sampled_from(fates), numbers)
    return st.lists(one, max_size=SOME, unique_by=lambda ask: ask.client)


class Twin:
    """The server once more; its clients never fail, and those whose updates do not count are not even asked."""

    def __init__(self, algorithm, shop, model) -> None:
        self.algorithm, self.state = algorithm, algorithm.start(model)
        self.worker = Worker(replace(shop, trainer=TRAINER), algorithm.receiver(), MemoryStore(), None)

    def play(self, cohort: Sequence[int], counted: Sequence[int], lost: Sequence[int]) -> None:
        broadcast, state = self.algorithm.broadcast(self.state, tuple(cohort))
        self.worker.receiver.hear(broadcast.shared)
        orders = [Order(client, broadcast.to(client)) for client in counted]
        replies = [reply for order in orders for reply in self.worker.run(state.round, [order])]
        collected = self.algorithm.collect(state, [Message.unpack(reply.data) for reply in replies])
        state = self.algorithm.aggregate(state, collected, set(cohort) - set(counted))
        self.state = replace(self.algorithm.forget(state, lost) if lost else state, undoing=())

    def saved(self):
        return deepcopy((self.state, self.worker.receiver.state, self.worker.store))

    def restore(self, saved) -> None:
        self.state, self.worker.receiver.state, self.worker.store = deepcopy(saved)

    def kept(self, client: int):
        return self.worker.store.before(client, self.state.round)


class Server(RuleBasedStateMachine):
    """What both kinds of run have in common: rounds, checkpoints, and the twin."""

    volatile, row = False, "sgd"

    def begin(self, estimator: str, start: str) -> None:
        self.cohort, self.exits = (), ExitStack()
        told = SimpleNamespace(probability=lambda clients: 0.5, draw=lambda clients, key: self.cohort)
        up, down = (
            replace(link, memory=Shift(0.4, start)) if isinstance(link.memory, Shift) else link
            for link in ROWS[self.row][2:]
        )
        case = Case(self.row, estimator=estimator, participation=told, uplink=up, downlink=down)
        case = case.but(volatile=self.volatile, trainer=replace(TRAINER, moods={}), admission=LENIENT)
        whole, model = federation(case)
        shop = whole.executor.workers[0].workshop
        self.shop = replace(shop, learner=Diary(shop.learner.task, shop.learner.common))
        seldom = Evaluation(whole.evaluation.names, every=10**9, rounds=0)
        self.federation, self.algorithm = replace(whole, evaluation=seldom, volatile=self.volatile), whole.algorithm
        self.state, self.twin = self.algorithm.start(model), Twin(self.algorithm, self.shop, model)
        self.folder = Path(self.exits.enter_context(tempfile.TemporaryDirectory()))
        self.checkpoints, self.saved, self.history = Checkpoints(self.folder, KEPT), {}, {}
        self.note()

    def teardown(self) -> None:
        if hasattr(self, "exits"):
            self.exits.close()

    def note(self) -> None:
        """What everyone is to hold, by its version."""
        steps, downlink = isinstance(self.algorithm.downlink, BroadcastStep), self.state.downlink
        self.history[downlink.version] = self.state.model if steps else downlink.memory

    def play(self, cohort: Sequence[int]):
        self.cohort = tuple(sorted(cohort))
        self.state, report = play(self.federation, self.state)
        self.note()
        return report

    def check_twin(self) -> None:
        """The model holds what was admitted, and nothing else."""
        state, other = self.state, self.twin.state
        assert torch.equal(state.model, other.model)
        assert same(state.uplink.mean, other.uplink.mean)
        assert state.uplink.taken == other.uplink.taken
        if state.uplink.mean is not None:
            kept = [self.twin.kept(client).uplink for client in state.uplink.taken]
            mean = sum((memory for memory in kept if memory is not None), torch.zeros(DIM)) / CLIENTS
            torch.testing.assert_close(state.uplink.mean, mean.double(), rtol=0, atol=1e-12)

    def check_memories(self, client: int, memories) -> None:
        """A client holds what its twin does, and what the server knows of it."""
        kept, state = self.twin.kept(client), self.state
        assert memories.sent == state.uplink.taken[client]
        assert same(memories.uplink, kept.uplink), client
        assert same(memories.downlink, kept.downlink), client
        assert memories.received == kept.received
        if client in state.uplink.own:
            assert same(state.uplink.own[client], memories.uplink), client
        if client in state.downlink.own:
            assert same(state.downlink.own[client][0], memories.downlink), client

    def go_on(self, then: str) -> None:
        if then:
            self.commit() if then == "checkpoint" else self.restart(damaged=then.endswith("before"))

    def commit(self) -> None:
        self.saved[self.state.round] = self.twin.saved()
        job._commit(self.federation, self.state, self.checkpoints, [])

    def resume(self, damaged: bool):
        """Go on from the newest checkpoint that is whole, which is the result."""
        *older, newest = [round_ for round_ in self.checkpoints.rounds if round_ in self.saved]
        if damaged and older:
            (self.folder / "checkpoints" / f"{newest:06d}.json").write_text("{")
            del self.saved[newest]
        self.checkpoints = Checkpoints(self.folder, KEPT)
        kept = self.checkpoints.load(lambda warning: None)
        plan = SimpleNamespace(executor=SimpleNamespace(volatile=self.volatile), clients=CLIENTS)
        asked = SimpleNamespace(settings=plan, recorder=SimpleNamespace(announce=lambda message: None))
        self.state = job._resumed(asked, SimpleNamespace(algorithm=self.algorithm), kept)
        self.twin.restore(self.saved[self.state.round])
        return kept


class OnTheirOwn(Server):
    """Clients are nodes: they keep their memories themselves, and may be anything but in step."""

    volatile = True

    @initialize(**kinds)
    def open(self, estimator, start) -> None:
        self.begin(estimator, start)
        self.network = Network(self.algorithm, self.shop)
        self.federation = replace(self.federation, executor=self.network)
        self.exits.enter_context(patch("fedkd.flower.client.bench", self.network.bench))
        self.commit()

    @rule(nodes=nodes, asked=asks(FAR), old=replays, then=st.sampled_from(THEN))
    def round(self, nodes, asked, old, then) -> None:
        network, book = self.network, self.network.book
        network.asks, network.replays = asked, old
        for client, how in nodes:
            getattr(network, how)(client)
        restarting = {ask.client for ask in asked if ask.fate != "not sent"} & book.restarting
        report = self.play([ask.client for ask in asked])
        self.twin.play(self.cohort, book.counted, book.lost)
        self.check_twin()
        self.check_book()
        assert set(report.missing) == set(self.cohort) - set(book.counted)
        assert set(report.restarted) == restarting
        assert (report.bytes_up, report.bytes_down_unicast) == (book.up, book.down_alone)
        assert report.bytes_down_broadcast == book.down_shared
        assert report.bytes_header + report.bytes_side + report.bytes_body == report.bytes_total
        self.go_on(then)

    def restart(self, damaged) -> None:
        self.resume(damaged)
        self.twin.state = self.algorithm.forget(self.twin.state, range(CLIENTS))
        self.network.begin_anew()
        self.check_twin()
        self.check_book()

    def check_book(self) -> None:
        """The server knows of its clients what it must, and those that hold the version it knows hold its memories."""
        state, book = self.state, self.network.book
        assert state.uplink.taken == book.taken
        assert set(state.restarting) == book.restarting
        assert set(state.undoing) - book.restarting == book.undoing
        for client, version in book.taken.items():
            if (held := self.network.nodes[client].find(version)) is None:
                continue
            memories = self.network.memories(client, version)
            self.check_memories(client, memories.client)
            assert same(memories.client.task, held.task), client
            if isinstance(self.algorithm.downlink, BroadcastModel | BroadcastStep) and client in state.downlink.seen:
                assert memories.receiver.version == state.downlink.seen[client], client
                assert same(memories.receiver.memory, self.history[memories.receiver.version]), client


class Here(Server):
    """Clients are the server's own: they are late or fail, workers die; a job that goes on repeats its rounds."""

    @initialize(**kinds, workers=st.integers(1, 2), adds=st.booleans(), files=st.booleans())
    def open(self, estimator, start, workers, adds, files) -> None:
        self.begin(estimator, start)
        self.adds, self.files, self.plans = adds, files, {}
        adder, receiver = self.algorithm.uplink if adds else None, self.algorithm.receiver
        executor = Workers([Worker(self.shop, receiver(), self.store(), adder) for _ in range(workers)])
        self.federation = replace(self.federation, executor=executor)
        self.commit()

    def store(self) -> Store:
        return FolderStore(self.folder / "clients", DIM, torch.float64, KEEPS, KEPT) if self.files else MemoryStore()

    @rule(asked=asks(HERE), then=st.sampled_from(THEN))
    def round(self, asked, then) -> None:
        asked = self.plans.setdefault(self.state.round, asked)
        fates, executor = {ask.client: ask.fate for ask in asked}, self.federation.executor
        self.shop.trainer.moods.clear()
        self.shop.trainer.moods.update(fates)
        executor.late = [client for client, fate in fates.items() if fate == "late" and not self.adds]
        executor.dying = [client for client, fate in fates.items() if fate == "worker dies" and self.files]
        report = self.play(list(fates))
        failed = {client for client, fate in fates.items() if fate in ("fails", "too long")}.union(executor.late)
        counted = [client for client in self.cohort if client not in failed]
        assert set(report.missing) == set(fates) - set(counted)
        self.twin.play(self.cohort, counted, [])
        self.check()
        self.go_on(then)

    def restart(self, damaged) -> None:
        old, kept = self.federation.executor, self.resume(damaged)
        old.close()
        executor = Workers(old.workers)
        for number, _ in enumerate(old.workers):
            executor.succeed(number, self.store())
        executor.restore(self.checkpoints.kept_with(self.state.round), kept.carried)
        self.federation = replace(self.federation, executor=executor)
        self.check()

    def check(self) -> None:
        """Every client's memories are those after its last update that counts."""
        self.check_twin()
        workers = self.federation.executor.workers
        for client, version in self.state.uplink.taken.items():
            memories = workers[client % len(workers)].store.before(client, version)
            self.check_memories(client, memories)
            assert same(memories.task, self.twin.kept(client).task), client


QUICK = settings(stateful_step_count=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
ROW = pytest.mark.parametrize(("number", "row"), list(enumerate(NAMES)), ids=NAMES)
MACHINE = pytest.mark.parametrize(("machine", "examples"), [(OnTheirOwn, 3), (Here, 2)], ids=["nodes", "workers"])


def run(machine: type[Server], row: str, number: int, **size: int) -> None:
    """Histories of an algorithm, others for each."""
    named = seed(number)(type(machine.__name__, (machine,), {"row": row}))
    run_state_machine_as_test(named, settings=settings(QUICK, **size))


@pytest.mark.sampled(2)
@MACHINE
@ROW
def test_both_ends_and_the_model_after_any_history(machine, examples, row, number) -> None:
    run(machine, row, number, max_examples=examples)


@pytest.mark.soak
@MACHINE
@ROW
def test_both_ends_and_the_model_after_many_long_histories(machine, examples, row, number) -> None:
    run(machine, row, 100 + number, max_examples=21 * examples, stateful_step_count=30)
