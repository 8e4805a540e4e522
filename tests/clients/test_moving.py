"""A client's states move from one store to another."""

from __future__ import annotations

from pathlib import Path

from fedkd.clients.memory_store import MemoryStore
from tests.clients.test_stores import BEGINS, Begin, begin_folder, same, state


@BEGINS
def test_a_client_that_comes_back_brings_what_became_of_it(begin: Begin, tmp_path: Path) -> None:
    here, there = begin(tmp_path / "a", [0], []), begin(tmp_path / "b", [0], [])
    for round_ in range(2):
        here.put(1, round_, state(round_ + 1))
    there.adopt(1, here.give(1))
    assert [there.before(1, round_).sent for round_ in range(3)] == [0, 1, 2]
    there.undo(1, 1)
    here.adopt(1, there.give(1))
    assert here.before(1, 2).sent == here.before(1, 1).sent == 1
    assert here.newest(1, 9) == 0
    for store in (here, there):
        store.close()


def test_a_checkpoint_gets_a_client_that_moved_once() -> None:
    here, there = MemoryStore(), MemoryStore()
    here.put(1, 0, state(1))
    there.adopt(1, here.give(1))
    for store in (here, there):
        store.commit((1,), {})
    assert [[client for client, _ in store.carried(1)] for store in (here, there)] == [[], [1]]


def test_files_keep_what_was_given_for_the_checkpoints_that_know_it_to_be_there(tmp_path: Path) -> None:
    here, there = begin_folder(tmp_path / "a", [0], []), begin_folder(tmp_path / "b", [0], [])
    here.put(1, 0, state(1))
    for store in (here, there):
        store.commit((1,), {})
    there.adopt(1, here.give(1))
    there.put(1, 1, state(2))
    assert same(here.before(1, 1), state(1))
    assert same(there.before(1, 2), state(2))
    here.close()
    there.close()
