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
from fedkd.clients.store import ClientState
from fedkd.clients.stores import Store, needed

CLIENTS, DIM, TASK = (0, 1, 63, 64), 3, 5

Saved = list[tuple[int, ClientState]]
Begin = Callable[[Path, int, Saved], Store]


def begin_memory(folder: Path, committed: int, saved: Saved) -> Store:
    store = MemoryStore()
    for client, state in saved:
        store.put(client, committed - 1, state)
    store.commit(committed)
    return store


def begin_folder(folder: Path, committed: int, saved: Saved) -> Store:
    store = FolderStore(folder, DIM, torch.float32, TASK)
    store.commit(committed)
    return store


BEGINS = pytest.mark.parametrize("begin", [begin_memory, begin_folder])


@pytest.fixture(params=[begin_memory, begin_folder])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store = request.param(tmp_path, 0, [])
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
    """A run that is cut off now and then, with its store beside a model that forgets nothing it should know."""

    def __init__(self, begin: Begin, folder: Path, cohorts: list[list[int]]) -> None:
        self.begin, self.folder, self.cohorts = begin, folder, cohorts
        self.round = self.committed = self.number = 0
        self.saved: Saved = []
        self.known: dict[int, dict[int, ClientState]] = {client: {} for client in CLIENTS}
        self.store = begin(folder, 0, [])

    def part_of_round(self, share: int) -> None:
        """Run some of the round's clients: always the same ones in the same order, with another outcome each time."""
        self.check()
        for client in self.cohorts[self.round % len(self.cohorts)][:share]:
            self.number += 1
            new = state(self.number, bool(self.number % 3), not self.number % 4)
            self.store.put(client, self.round, new)
            self.known[client][self.round] = new
            assert same(self.store.before(client, self.round + 1), new)
        self.check()

    def check(self) -> None:
        """Everybody's state before this round, and before the last checkpoint, can be read."""
        for client, known in self.known.items():
            for round_ in (self.round, self.committed):
                newest = max((past for past in known if past < round_), default=None)
                want = ClientState() if newest is None else known[newest]
                assert same(self.store.before(client, round_), want), (client, round_)

    def commit(self) -> None:
        self.store.commit(self.round)
        self.committed = self.round
        self.saved = [(client, self.store.before(client, self.round)) for client in CLIENTS if self.known[client]]
        if isinstance(self.store, MemoryStore):
            kept = list(self.store.carried(self.round))
            assert [client for client, _ in kept] == [client for client, _ in self.saved]
            assert all(same(a, b) for (_, a), (_, b) in zip(kept, self.saved, strict=True))

    def job_dies(self) -> None:
        self.store.close()
        self.round = self.committed
        for client, known in self.known.items():
            self.known[client] = {past: old for past, old in known.items() if past < self.round}
        self.store = self.begin(self.folder, self.committed, self.saved)


events = st.tuples(st.integers(0, 4), st.sampled_from(["end", "end", "end and commit", "worker dies", "job dies"]))


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
            if event.startswith("end"):
                run.round += 1
            if event == "end and commit":
                run.commit()
            if event == "job dies":
                run.job_dies()
            run.check()
        run.store.close()


@BEGINS
def test_a_resumed_run_never_sees_the_future_of_the_one_before(begin: Begin, tmp_path: Path) -> None:
    run = Run(begin, tmp_path, [[0]])
    run.part_of_round(1)
    run.round = 1
    run.commit()
    for run.round in (1, 2, 3):
        run.part_of_round(1)
    run.job_dies()
    assert run.store.before(0, 1).sent == 1
    run.store.put(0, 1, state(9))
    assert [run.store.before(0, round_).sent for round_ in (1, 2, 4, 99)] == [1, 9, 9, 9]


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
    store.commit(3)
    with pytest.raises(ValueError, match="round 2 is before the committed round 3"):
        store.put(0, 2, state(1))


@pytest.mark.parametrize(
    ("rounds", "committed", "round_", "kept"),
    [
        ([], 0, 0, {-1}),
        ([4], 5, 5, {4}),
        ([2, 5], 4, 5, {2}),
        ([2, 5, 6], 4, 7, {2, 6}),
        ([5, 6], 0, 7, {-1, 6}),
        ([2, 5, 7], 4, 6, {2, 5}),
    ],
)
def test_at_most_two_states_outlive_a_put(rounds: list[int], committed: int, round_: int, kept: set[int]) -> None:
    assert needed(rounds, committed, round_) == kept


def test_memory_holds_one_state_a_client_after_a_commit() -> None:
    store, alive = MemoryStore(), []
    for round_ in range(4):
        new = state(round_)
        assert new.uplink is not None
        alive.append(weakref.ref(new.uplink))
        store.put(0, round_, new)
    del new
    store.commit(4)
    gc.collect()
    assert [reference() is not None for reference in alive] == [False, False, False, True]


def test_memory_gives_a_checkpoint_by_client_number_without_later_rounds() -> None:
    store = MemoryStore()
    for client, round_ in ((64, 0), (1, 0), (1, 1), (0, 1)):
        store.put(client, round_, state(client + round_))
    assert [(client, kept.sent) for client, kept in store.carried(1)] == [(1, 1), (64, 64)]
