"""A node's memories, in its context or in a file that the context names; what cannot be read counts as lost."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from flwr.app import RecordDict

from fedkd.algorithms.downlinks import ReceiverState, StaleMemoryError
from fedkd.clients import ClientState
from fedkd.flower.memories import ABOUT, MEMORIES, Keeper, Memories, forget_others, memories_of

DIM, TASK = 50, 7
LIKE = torch.empty(DIM)
PLACES = ["context", "file"]


def memories(round_: int, memory: bool = True) -> Memories:
    vector = torch.arange(DIM, dtype=torch.float32) + round_
    client = ClientState(vector, round_, task=torch.full((TASK,), float(round_)))
    return Memories(client, ReceiverState(round_ + 7, vector * 2 if memory else None, None))


def keeper(place: str, folder: Path, state: RecordDict, client: int = 3) -> Keeper:
    return Keeper(state, client, folder if place == "file" else None)


def same(kept: Memories, given: Memories) -> bool:
    pairs = [*zip(kept.client.vectors, given.client.vectors, strict=True)]
    pairs.append((kept.receiver.memory, given.receiver.memory))
    equal = all((a is None) == (b is None) and (a is None or torch.equal(a, b)) for a, b in pairs)
    return equal and (kept.client.sent, kept.receiver.version) == (given.client.sent, given.receiver.version)


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("place", PLACES)
def test_what_was_saved_is_loaded(place: str, memory: bool, tmp_path: Path) -> None:
    state = RecordDict()
    assert same(keeper(place, tmp_path, state).load(LIKE, TASK), Memories())
    for round_ in (1, 2, 5):
        before = keeper(place, tmp_path, state).load(LIKE, TASK)
        keeper(place, tmp_path, state).save(memories(round_, memory), before)
        kept = keeper(place, tmp_path, state).load(LIKE, TASK)
        assert same(kept, memories(round_, memory))
        assert kept.receiver.received is kept.receiver.memory
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == (2 if place == "file" else 0)


@pytest.mark.parametrize("place", PLACES)
def test_the_version_that_the_server_names_is_loaded_if_it_is_here(place: str, tmp_path: Path) -> None:
    state, held = RecordDict(), Memories()
    for round_ in (1, 2, 5):
        keeper(place, tmp_path, state).save(memories(round_), held)
        held = memories(round_)
    for version in (5, 2):
        assert same(keeper(place, tmp_path, state).load(LIKE, TASK, version), memories(version))
    assert same(keeper(place, tmp_path, state).load(LIKE, TASK, 0), Memories())
    with pytest.raises(StaleMemoryError, match="client 3: version 1 of its memories is not here"):
        keeper(place, tmp_path, state).load(LIKE, TASK, 1)


@pytest.mark.parametrize("place", PLACES)
def test_another_client_finds_nothing(place: str, tmp_path: Path) -> None:
    state = RecordDict()
    keeper(place, tmp_path, state).save(memories(1), Memories())
    assert same(keeper(place, tmp_path, state, client=4).load(LIKE, TASK), Memories())


def test_a_context_that_comes_back_late_has_lost_its_file(tmp_path: Path) -> None:
    state = RecordDict()
    Keeper(state, 3, tmp_path).save(memories(1), Memories())
    late = deepcopy(state)
    Keeper(state, 3, tmp_path).save(memories(2), Memories())
    assert same(Keeper(late, 3, tmp_path).load(LIKE, TASK), Memories())
    assert same(Keeper(state, 3, tmp_path).load(LIKE, TASK), memories(2))


@pytest.mark.parametrize("harm", ["cut", "flip", "gone"])
def test_a_damaged_file_counts_as_lost(harm: str, tmp_path: Path) -> None:
    state = RecordDict()
    Keeper(state, 3, tmp_path).save(memories(1), Memories())
    path = tmp_path / "000003" / "1"
    data = bytearray(path.read_bytes())
    if harm == "gone":
        path.unlink()
    else:
        data[40] ^= 1
        path.write_bytes(data[:-9] if harm == "cut" else data)
    assert same(Keeper(state, 3, tmp_path).load(LIKE, TASK), Memories())


def test_a_damaged_context_counts_as_lost() -> None:
    state = RecordDict()
    Keeper(state, 3, None).save(memories(1), Memories())
    del state[MEMORIES]
    assert ABOUT in state
    assert same(Keeper(state, 3, None).load(LIKE, TASK), Memories())


def test_what_earlier_runs_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "clients").mkdir()
    other = tmp_path / "clients" / "000000.bin"
    other.touch()
    Keeper(RecordDict(), 3, memories_of(tmp_path, 5)).save(memories(1), Memories())
    forget_others(tmp_path)
    assert list((tmp_path / "clients").iterdir()) == [other]
