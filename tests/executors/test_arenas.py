"""Shared memory: a part is read where it lies, and its place is written again only when nobody refers to it."""

from __future__ import annotations

import gc
import os

import numpy as np
import pytest

from fedkd.executors.arenas import LINE, PLACES, Arena, Place
from fedkd_compression import WireError

ROOM = 1024


def shown(arena: Arena, part: bytes, reader: int = 0) -> memoryview:
    place = arena.put(part, reader)
    assert place is not None
    return arena.view(place, len(part), reader)


def test_a_part_is_read_where_it_was_written_and_ends_aligned() -> None:
    arena = Arena(capacity=ROOM)
    views = [shown(arena, bytes([size]) * size) for size in (1, LINE - 1, LINE, LINE + 1)]
    for size, view in zip((1, LINE - 1, LINE, LINE + 1), views, strict=True):
        assert bytes(view) == bytes([size]) * size
        array = np.frombuffer(view, np.uint8)
        assert (array.ctypes.data + size) % LINE == 0
        assert array.flags.writeable


@pytest.mark.parametrize("keep", [lambda view: view, lambda view: view[3:], lambda view: np.frombuffer(view[3:], "u1")])
def test_a_place_is_kept_as_long_as_anything_refers_to_it(keep: object) -> None:
    arena = Arena(capacity=ROOM)
    assert callable(keep)
    kept = keep(shown(arena, b"a" * ROOM))
    gc.collect()
    assert arena.put(b"b") is None
    assert bytes(kept)[:3] == b"aaa"
    del kept
    assert bytes(shown(arena, b"b" * ROOM)) == b"b" * ROOM


def test_a_part_that_was_never_looked_at_keeps_its_place() -> None:
    arena = Arena(capacity=ROOM)
    assert arena.put(b"a" * ROOM) is not None
    assert arena.put(b"b") is None


def test_gaps_are_filled_from_the_lowest() -> None:
    arena = Arena(capacity=4 * LINE)
    views = [shown(arena, bytes([name]) * LINE) for name in range(4)]
    views[1] = views[2] = memoryview(b"")
    assert arena.put(b"x" * (2 * LINE + 1)) is None
    place = arena.put(b"x" * 2 * LINE)
    assert place is not None
    assert place.start == LINE
    assert bytes(views[0]) == bytes(LINE)
    assert bytes(views[3]) == b"\3" * LINE


def test_what_finds_no_room_or_no_number_is_not_put() -> None:
    assert Arena(capacity=ROOM).put(bytes(ROOM + 1)) is None
    arena = Arena(capacity=2 * PLACES * LINE)
    views = [shown(arena, b"x") for _ in range(PLACES)]
    assert arena.put(b"x") is None
    del views[7]
    assert arena.put(b"x") is not None


def test_one_object_is_written_once_for_all_readers_and_freed_by_the_last() -> None:
    arena, part = Arena(readers=2, capacity=ROOM), b"a" * ROOM
    one, two = shown(arena, part, 0), shown(arena, part, 1)
    assert np.shares_memory(np.frombuffer(one, "u1"), np.frombuffer(two, "u1"))
    del one
    assert arena.put(b"b") is None
    again = shown(arena, part, 0)
    del two
    assert arena.put(b"b") is None
    del again
    assert arena.put(b"b") is not None


def test_one_reader_that_is_shown_a_part_twice_drops_it_twice() -> None:
    arena, part = Arena(readers=2, capacity=ROOM), b"a" * ROOM
    one, other = shown(arena, part), shown(arena, part)
    del one
    assert arena.put(b"b") is None
    assert bytes(other) == part


def test_an_equal_part_that_is_another_object_is_another_part() -> None:
    arena = Arena(readers=2, capacity=ROOM)
    part = bytearray(b"a" * LINE)
    one = shown(arena, memoryview(part))
    part[:] = b"b" * LINE
    assert bytes(shown(arena, memoryview(part))) == b"b" * LINE
    assert bytes(one) == b"a" * LINE


def test_a_reader_that_is_gone_keeps_nothing() -> None:
    arena, part = Arena(readers=2, capacity=ROOM), b"a" * ROOM
    arena.put(part, 0)
    held = shown(arena, part, 1)
    arena.forget(0)
    assert arena.put(b"b") is None
    del held
    assert arena.put(b"b") is not None


def test_a_process_that_was_forked_since_gives_nothing_back() -> None:
    arena = Arena(capacity=ROOM)
    views = [shown(arena, b"a" * ROOM)]
    child = os.fork()
    if not child:
        views.clear()
        os._exit(0)
    os.waitpid(child, 0)
    assert arena.put(b"b") is None
    views.clear()
    assert arena.put(b"b") is not None


@pytest.mark.parametrize("place", [Place(-1, 0), Place(PLACES, 0), Place(0, -1), Place(0, ROOM - 3)])
def test_no_such_place(place: Place) -> None:
    with pytest.raises(WireError, match="^arena: no 4 bytes at place"):
        Arena(capacity=ROOM).view(place, 4)
