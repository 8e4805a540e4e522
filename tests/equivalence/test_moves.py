"""The same bits when clients' states move between workers and hosts, in every round, with checkpoints and deaths."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pytest
import torch

from fedkd.algorithms import ServerState
from fedkd.clients import Evict, FixedCohort, FolderStore, MemoryStore, Residency, SkiRental, Store
from fedkd.executors import Site, StartingOrder, Worker
from fedkd.executors.lines import Event, Hub
from fedkd.executors.loop import serve
from fedkd.executors.parcels import Kind, Parcel
from fedkd.executors.placement import Seat
from fedkd.executors.pool import Pool
from fedkd.executors.schedule import Matched, Schedule
from fedkd.executors.threads import ThreadWorker
from fedkd.federation import Federation, run
from tests.equivalence.quadratic import CLIENTS, DIM, RUN, Case, federation

ROUNDS = 12
HOSTS = ("a", "a", "b", "c")
EVICT = Evict()
Doom = tuple[int, Kind, int] | None
"""Which worker dies, of which order, after how many of them."""


class ThreadHub(Hub):
    """Real workers in threads, on hosts that are names; one may die when it is to get its so-manieth order of a kind.

    Attributes:
        doom: whose death is still to come.
    """

    def __init__(self, make: Callable[[str], Worker], doom: Doom) -> None:
        self._seats = [Seat(number, host, "cpu") for number, host in enumerate(HOSTS)]
        self._make, self.doom = make, doom
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._lives = 0
        self._workers = {seat.rank: self._begin(seat) for seat in self._seats}

    def _begin(self, seat: Seat) -> tuple[int, ThreadWorker]:
        """A life of its own number: what an earlier one still says counts no more."""
        self._lives += 1
        worker = self._make(seat.host)
        return self._lives, ThreadWorker(self._lives, lambda line: serve(worker, line), self._events)

    @property
    def seats(self) -> Sequence[Seat]:
        return self._seats

    def send(self, worker: int, parcel: Parcel) -> None:
        life, thread = self._workers[worker]
        if self.doom is not None and self.doom[:2] == (worker, parcel.kind):
            self.doom = (*self.doom[:2], self.doom[2] - 1) if self.doom[2] else None
            if self.doom is None:
                self._events.put(Event(life, None, "was killed"))
                return
        thread.send(parcel)

    def wait(self) -> Event:
        while True:
            life, *told = self._events.get(timeout=60)
            for worker, (current, _) in self._workers.items():
                if life == current:
                    return Event(worker, *told)

    def replace(self, worker: int) -> bool:
        self._workers[worker] = self._begin(self._seats[worker])
        return True

    def close(self) -> None:
        for _, thread in self._workers.values():
            assert thread.close(60)


class Restless(Matched):
    """Sends everyone anywhere, every round."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._draws = np.random.default_rng(seed)

    def place(
        self, seconds: Mapping[int, float], speeds: Mapping[int, float], homes: Mapping[int, int], moving: float
    ) -> dict[int, int]:
        return {client: int(self._draws.choice(sorted(speeds))) for client in seconds}


class Place:
    """A federation over threads whose clients wander, begun anew from a checkpoint whenever it is asked."""

    def __init__(self, case: Case, folder: Path, files: bool, doom: Doom = None, residency: Residency = EVICT) -> None:
        self.residency = residency
        self.federation, self.model = federation(case)
        self.shop, self.files, self.folder = self.federation.executor.workers[0].workshop, files, folder
        self.adder = self.federation.algorithm.uplink if case.reduces else None
        self.case, self.doom = case, doom
        self.hub: ThreadHub | None = None

    def worker(self, host: str) -> Worker:
        store: Store = MemoryStore()
        if self.files:
            store = FolderStore(self.folder / host, DIM, torch.float64, 0, 2)
        shop = replace(self.shop, learner=federation(self.case)[0].executor.workers[0].workshop.learner)
        return Worker(shop, self.federation.algorithm.receiver(), self.residency.around(store), self.adder)

    def open(self, seed: int) -> Federation:
        hub = self.hub = ThreadHub(self.worker, self.doom)
        start = StartingOrder(Path(), {}, b"")
        work = list(self.federation.work)
        site = Site(self.worker, lambda: None, DIM, work, CLIENTS, 1, self.files, start, RUN)
        pool = Pool(hub, replace(site, schedule=Schedule("matching")))
        assert pool.moves is not None
        pool.moves.matched = Restless(seed)
        return replace(self.federation, executor=pool)


def plain(case: Case) -> ServerState:
    """The state at the end of the run in one worker."""
    whole, model = federation(case)
    *_, (state, _) = run(whole, whole.algorithm.start(model), ROUNDS)
    return state


def wandering(place: Place, ends: Sequence[int]) -> tuple[ServerState, int]:
    """The state at the end, where everything but checkpoints is lost at some rounds; and the bytes that moved."""
    state, moved, carried = place.federation.algorithm.start(place.model), 0, None
    for seed, end in enumerate(ends):
        opened = place.open(seed)
        if carried is not None:
            opened.executor.restore((state.round,), carried)
        for after, report in run(opened, state, end):
            state, moved = after, moved + report.moved
        carried = opened.executor.commit((end,), {})
        opened.executor.close()
    return state, moved


CASES = {
    "mcm": Case("mcm", participation=FixedCohort(3)),
    "rand_mcm": Case("rand_mcm", participation=FixedCohort(3)),
    "dore": Case("dore"),
    "ef21, sums": Case("ef21", reduces=True),
}


@pytest.mark.parametrize("files", [True, False], ids=["folder", "memory"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_wherever_clients_go_the_model_is_the_same(case: Case, files: bool, tmp_path: Path) -> None:
    state, moved = wandering(Place(case, tmp_path, files), (ROUNDS,))
    assert torch.equal(state.model, plain(case).model)
    assert moved > 0


@pytest.mark.parametrize("files", [True, False], ids=["folder", "memory"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_copies_that_stay_on_workers_are_of_the_newest_states(case: Case, files: bool, tmp_path: Path) -> None:
    place = Place(case, tmp_path, files, residency=SkiRental(price=50.0, mebibytes=1))
    state, _ = wandering(place, (4, 9, ROUNDS))
    assert torch.equal(state.model, plain(case).model)


@pytest.mark.parametrize("files", [True, False], ids=["folder", "memory"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_checkpoint_knows_where_everyone_was(case: Case, files: bool, tmp_path: Path) -> None:
    state, _ = wandering(Place(case, tmp_path, files), (4, 9, ROUNDS))
    assert torch.equal(state.model, plain(case).model)


@pytest.mark.parametrize("kind", [Kind.GIVE, Kind.TAKE, Kind.TRAIN])
@pytest.mark.parametrize("worker", [0, 2])
def test_a_worker_that_dies_while_clients_move_costs_nothing(kind: Kind, worker: int, tmp_path: Path) -> None:
    place = Place(CASES["rand_mcm"], tmp_path, True, (worker, kind, 3))
    state, _ = wandering(place, (ROUNDS,))
    assert place.hub is not None
    assert place.hub.doom is None, "nobody died"
    assert torch.equal(state.model, plain(CASES["rand_mcm"]).model)
