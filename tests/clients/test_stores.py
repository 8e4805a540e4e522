"""Both stores obey one law: the newest state from a round before, whoever dies and whatever is run again."""

from __future__ import annotations

import gc
import tempfile
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedkd.clients.folder_store import FolderStore
from fedkd.clients.memory_store import MemoryStore
from fedkd.clients.residency import SkiRental
from fedkd.clients.store import ClientState
from fedkd.clients.stores import Store, needed

CLIENTS, DIM, TASK = (0, 1, 63, 64), 3, 5

Saved = list[tuple[int, ClientState]]
Begin = Callable[[Path, list[int], Saved], Store]
KEPT = 2
"""Checkpoints."""


def begin_memory(folder: Path, committed: list[int], saved: Saved) -> Store:
    store = MemoryStore()
    for client, state in saved:
        store.put(client, committed[-1] - 1, state)
    store.commit(committed, {})
    return store


def begin_folder(folder: Path, committed: list[int], saved: Saved) -> Store:
    store = FolderStore(folder, DIM, torch.float32, TASK, KEPT)
    store.commit(committed, {})
    return store


def begin_resident(folder: Path, committed: list[int], saved: Saved) -> Store:
    return SkiRental(price=3.0, mebibytes=1).around(begin_folder(folder, committed, saved))


ALL = [begin_memory, begin_folder, begin_resident]
BEGINS = pytest.mark.parametrize("begin", ALL)


@pytest.fixture(params=ALL)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store = request.param(tmp_path, [0], [])
    yield store
    store.close()


def state(number: int, uplink: bool = True, downlink: bool = False) -> ClientState:
    """A state that tells which one it is, in every part."""
    return ClientState(
        torch.full((DIM,), float(number)) if uplink else None,
        number,
        torch.full((DIM,), -float(number)) if downlink else None,
        2 * number,
        torch.full((TASK,), number + 0.5) if number % 5 else None,
    )


def same(a: ClientState, b: ClientState) -> bool:
    def equal(x: torch.Tensor | None, y: torch.Tensor | None) -> bool:
        return x is y is None or (x is not None and y is not None and torch.equal(x, y))

    return (a.sent, a.received) == (b.sent, b.received) and all(map(equal, a.vectors, b.vectors))


class Run:
    """A run that is cut off now and then, with two stores beside a model that forgets nothing it should know.

    Clients move between the stores; a checkpoint in files knows where each was.
    """

    def __init__(self, begin: Begin, folder: Path, cohorts: list[list[int]]) -> None:
        self.begin, self.folder, self.cohorts = begin, folder, cohorts
        self.files = begin is not begin_memory
        self.round = self.number = 0
        self.committed = [0]
        self.saved: dict[int, Saved] = {0: []}
        self.behind: dict[int, int] = {}
        self.known: dict[int, dict[int, ClientState]] = {client: {} for client in CLIENTS}
        self.homes = dict.fromkeys(CLIENTS, 0)
        self.housed = {0: dict(self.homes)}
        self.stores = self.begun([])

    def begun(self, saved: Saved) -> list[Store]:
        """Two stores, the first one with what a checkpoint carried."""
        return [self.begin(self.folder / str(number), self.committed, [] if number else saved) for number in range(2)]

    def store(self, client: int) -> Store:
        """The store that is asked for a client."""
        return self.stores[self.homes[client]]

    def move(self, client: int) -> None:
        """To the other store."""
        states = self.store(client).give(client)
        self.homes[client] = 1 - self.homes[client]
        self.store(client).adopt(client, states)
        self.check()

    def part_of_round(self, share: int) -> None:
        """Run some of the round's clients: always the same ones in the same order, with another outcome each time."""
        self.check()
        for client in self.cohorts[self.round % len(self.cohorts)][:share]:
            self.number += 1
            if client in self.behind:
                self.hear(client)
            new = state(self.number, bool(self.number % 3), not self.number % 4)
            self.store(client).put(client, self.round, new)
            self.known[client][self.round] = new
            assert same(self.store(client).before(client, self.round + 1), new)
            assert self.store(client).newest(client, self.round + 1) == self.round
        self.check()

    def refuse(self) -> None:
        """The update of a client that was just trained does not count; the store hears of it later."""
        trained = [client for client, known in self.known.items() if self.round in known and client not in self.behind]
        for client in trained[:1]:
            self.behind[client] = self.round

    def hear(self, client: int) -> None:
        """Before it is trained again."""
        round_ = self.behind.pop(client)
        self.store(client).undo(client, round_)
        self.known[client] = {past: old for past, old in self.known[client].items() if past < round_}
        assert same(self.store(client).before(client, self.round), self.wanted(client, self.round))

    def wanted(self, client: int, round_: int) -> ClientState:
        """The newest state from a round before that counts."""
        known = self.known[client]
        newest = max((past for past in known if past < min(round_, self.behind.get(client, round_))), default=None)
        return ClientState() if newest is None else known[newest]

    def check(self) -> None:
        """Everybody's state before this round, and before each checkpoint, can be read."""
        for client in self.known:
            # Memory keeps what the newest checkpoint needs: the older ones carry their own.
            for round_ in (self.round, *(self.committed if self.files else self.committed[-1:])):
                before = min(round_, self.behind.get(client, round_))
                there = self.store(client) if round_ == self.round else self.stores[self.home_before(client, round_)]
                assert same(there.before(client, before), self.wanted(client, round_)), (client, round_)

    def home_before(self, client: int, round_: int) -> int:
        """Where a checkpoint before a round has a client; in memory only the newest home knows it."""
        return self.housed[round_][client] if self.files else self.homes[client]

    def commit(self) -> None:
        self.committed = sorted({*self.committed, self.round})[-KEPT:]
        for store in self.stores:
            store.commit(self.committed, self.behind)
        self.housed[self.round] = dict(self.homes)
        if not self.files:
            for client in list(self.behind):
                self.hear(client)
        self.saved[self.round] = [saved for store in self.stores for saved in store.carried(self.round)]
        for client, kept in self.saved[self.round]:
            assert same(kept, self.wanted(client, self.round))
        if not self.files:
            some = {client for client in CLIENTS if not same(self.wanted(client, self.round), ClientState())}
            assert sorted(some) == sorted(client for client, _ in self.saved[self.round])

    def job_dies(self, checkpoint: int) -> None:
        """It goes on from the newest checkpoint, or from an older one."""
        for store in self.stores:
            store.close()
        self.committed = self.committed[: max(len(self.committed) - checkpoint, 1)]
        self.round = self.committed[-1]
        for client, known in self.known.items():
            self.known[client] = {past: old for past, old in known.items() if past < self.round}
        self.behind = {client: round_ for client, round_ in self.behind.items() if round_ < self.round}
        self.homes = dict(self.housed[self.round]) if self.files else dict.fromkeys(CLIENTS, 0)
        self.stores = self.begun(self.saved[self.round])


EVENTS = ["end", "end", "end and commit", "end refused", "worker dies", "job dies", "checkpoint damaged", "moves"]
events = st.tuples(st.integers(0, 4), st.sampled_from(EVENTS))


@BEGINS
@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    cohorts=st.lists(st.lists(st.sampled_from(CLIENTS), unique=True), min_size=1, max_size=5),
    events=st.lists(events, max_size=20),
)
def test_any_history_of_rounds_deaths_and_checkpoints(
    begin: Begin, cohorts: list[list[int]], events: list[tuple[int, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Run(begin, Path(folder), cohorts)
        for share, event in events:
            run.part_of_round(4 if event.startswith("end") else share)
            if event == "end refused":
                run.refuse()
            if event.startswith("end"):
                run.round += 1
            if event == "end and commit":
                run.commit()
            if event == "moves":
                run.move(CLIENTS[share % len(CLIENTS)])
            if event in ("job dies", "checkpoint damaged"):
                run.job_dies(int(event == "checkpoint damaged"))
            run.check()
        for store in run.stores:
            store.close()


@BEGINS
def test_a_resumed_run_never_sees_the_future_of_the_one_before(begin: Begin, tmp_path: Path) -> None:
    run = Run(begin, tmp_path, [[0]])
    run.part_of_round(1)
    run.round = 1
    run.commit()
    for run.round in (1, 2, 3):
        run.part_of_round(1)
    run.job_dies(0)
    assert run.store(0).before(0, 1).sent == 1
    run.store(0).put(0, 1, state(9))
    assert [run.store(0).before(0, round_).sent for round_ in (1, 2, 4, 99)] == [1, 9, 9, 9]


def test_an_unknown_client_has_an_empty_state(store: Store) -> None:
    store.put(1, 5, state(1))
    assert same(store.before(0, 9), ClientState())
    assert same(store.before(1, 5), ClientState())


def test_a_round_that_is_run_again_replaces_its_state(store: Store) -> None:
    store.put(0, 2, state(1))
    store.put(0, 4, state(2, downlink=True))
    store.put(0, 4, state(3, uplink=False))
    assert same(store.before(0, 4), state(1))
    assert same(store.before(0, 5), state(3, uplink=False))


def test_a_committed_round_is_final(store: Store) -> None:
    store.commit([3], {})
    with pytest.raises(ValueError, match="round 2 is before the committed round 3"):
        store.put(0, 2, state(1))


@pytest.mark.parametrize(
    ("rounds", "committed", "round_", "kept"),
    [
        ([], [], 0, {-1}),
        ([4], [5], 5, {4}),
        ([2, 5], [4], 5, {2}),
        ([2, 5, 6], [4], 7, {2, 6}),
        ([2, 5, 6], [4, 6], 7, {2, 5, 6}),
        ([5, 6], [0], 7, {-1, 6}),
        ([2, 5, 7], [4], 6, {2, 5}),
    ],
)
def test_few_states_outlive_a_put(rounds: list[int], committed: list[int], round_: int, kept: set[int]) -> None:
    assert needed(rounds, committed, round_) == kept


def test_memory_holds_one_state_a_client_after_a_commit() -> None:
    store, alive = MemoryStore(), []
    for round_ in range(4):
        new = state(round_)
        assert new.uplink is not None
        alive.append(weakref.ref(new.uplink))
        store.put(0, round_, new)
    del new
    store.commit([4], {})
    gc.collect()
    assert [reference() is not None for reference in alive] == [False, False, False, True]


def test_memory_gives_a_checkpoint_by_client_number_without_later_rounds() -> None:
    store = MemoryStore()
    for client, round_ in ((64, 0), (1, 0), (1, 1), (0, 1)):
        store.put(client, round_, state(client + round_))
    assert [(client, kept.sent) for client, kept in store.carried(1)] == [(1, 1), (64, 64)]
