"""Memory that forked processes share: a large part is written there once, and read where it lies.

An arena is made before the fork. One process writes, and counts how often it showed a place to each reader; each
reader counts how often it has dropped the last reference to what it was shown. A place is written again when all that
was shown is dropped. Every counter has one process that writes it. What finds no room goes another way.
"""

from __future__ import annotations

import mmap
import os
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fedkd_compression import WireError

if TYPE_CHECKING:
    from numpy.typing import NDArray

CAPACITY = 1 << 27
"""Bytes of an arena; what was never written takes no memory."""
PLACES = 256
"""Parts that may lie in an arena at a time."""
LINE = 64
"""Parts end at multiples of it: a frame's floats, which are last, then lie aligned."""

Part = bytes | memoryview


class Place(NamedTuple):
    """Where a part lies: the number of its counters, and its first byte."""

    number: int
    start: int


@dataclass(frozen=True)
class _Taken:
    """A place that was written; ``part`` is what others may be shown, too."""

    begin: int
    end: int
    start: int
    part: Part | None


class Arena:
    """Shared memory with one writer and some readers.

    Args:
        readers: how many; they are numbered from 0.
        capacity: bytes.
    """

    def __init__(self, readers: int = 1, capacity: int = CAPACITY) -> None:
        counters = 2 * PLACES * readers
        self._map = mmap.mmap(-1, 4 * counters + capacity)
        self._readers, self._capacity = readers, capacity
        both = np.frombuffer(self._map, np.uint32, counters).reshape(2, PLACES, readers)
        self._shown, self._dropped = both
        self._room = np.frombuffer(self._map, np.uint8, capacity, 4 * counters)
        self._taken: dict[int, _Taken] = {}

    def put(self, part: Part, reader: int = 0) -> Place | None:
        """Write a part for a reader, once for all readers of the same object; None where there is no room."""
        number = self._known(part)
        if number is None:
            number = self._written(part)
        if number is None:
            return None
        self._shown[number, reader] += 1
        return Place(number, self._taken[number].start)

    def view(self, place: Place, size: int, reader: int = 0) -> memoryview:
        """A part as it lies; the place is the writer's again when nothing refers to it any more.

        Raises:
            WireError: there is no such place.
        """
        number, start = place
        if not (0 <= number < PLACES and 0 <= start <= start + size <= self._capacity):
            raise WireError(f"arena: no {size} bytes at place {number}, byte {start}")
        there = self._room[start : start + size]
        weakref.finalize(there, _drop, self._dropped, number, reader, os.getpid()).atexit = False
        return there.data

    def forget(self, reader: int) -> None:
        """A reader is gone: it reads nothing any more."""
        self._dropped[:, reader] = self._shown[:, reader]

    def _known(self, part: Part) -> int | None:
        return next((number for number, taken in self._taken.items() if taken.part is part), None)

    def _written(self, part: Part) -> int | None:
        """The number of the place where a part now lies."""
        used = (self._shown != self._dropped).any(axis=1)
        self._taken = {number: taken for number, taken in self._taken.items() if used[number]}
        free = next((number for number in range(PLACES) if number not in self._taken), None)
        size = -(-len(part) // LINE) * LINE
        begin = self._gap(size)
        if free is None or begin is None:
            return None
        start = begin + size - len(part)
        self._room[start : begin + size] = np.frombuffer(part, np.uint8)
        self._taken[free] = _Taken(begin, begin + size, start, part if self._readers > 1 else None)
        return free

    def _gap(self, size: int) -> int | None:
        """The lowest byte from which so many are free: what was used before is in the caches."""
        begin = 0
        for taken in sorted(self._taken.values(), key=lambda taken: taken.begin):
            if begin + size <= taken.begin:
                break
            begin = taken.end
        return begin if begin + size <= self._capacity else None


def _drop(dropped: NDArray[np.uint32], number: int, reader: int, owner: int) -> None:
    """Count; a process that was forked since has no say in it."""
    if os.getpid() == owner:
        dropped[number, reader] += 1
