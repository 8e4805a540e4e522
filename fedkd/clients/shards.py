"""The numbered files of a folder, read and written by position, with a bound on how many are open."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fedkd.durable import explained, sync_folder

_OPEN = 64


class Shards:
    """Sparse files that come to be when they are first written.

    Nothing of their contents is kept here, so several processes may use one file at once, each its own ranges.
    Every failure of the file system is a StorageError of one line that names the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[int, int] = {}
        self._dirty: set[int] = set()

    def path(self, shard: int) -> Path:
        """The file of a shard."""
        return self._folder / f"{shard:06d}.states"

    def read(self, shard: int, buffers: Sequence[memoryview], offset: int) -> int:
        """Fill the buffers, one after another; the number of bytes that the file had."""
        with explained(self._folder, "read"):
            try:
                descriptor = self._descriptor(shard, os.O_RDWR)
            except FileNotFoundError:
                return 0
            total, rest = 0, buffers
            while rest and (count := os.preadv(descriptor, rest, offset + total)):
                total += count
                rest = _after(rest, count)
            return total

    def write(self, shard: int, buffers: Sequence[bytes | memoryview], offset: int) -> None:
        """Write the buffers, one after another."""
        with explained(self._folder):
            descriptor = self._descriptor(shard, os.O_RDWR | os.O_CREAT)
            self._dirty.add(shard)
            rest: Sequence[memoryview] = [memoryview(buffer) for buffer in buffers]
            while rest:
                count = os.pwritev(descriptor, rest, offset)
                offset += count
                rest = _after(rest, count)

    def sync(self) -> None:
        """Wait until what this process wrote is on the disk."""
        with explained(self._folder):
            for shard in sorted(self._dirty):
                os.fdatasync(self._descriptor(shard, os.O_RDWR))
            if self._dirty:
                sync_folder(self._folder)
            self._dirty.clear()

    def close(self) -> None:
        """Close all files."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _descriptor(self, shard: int, flags: int) -> int:
        """The open file of a shard, now the last that will be closed."""
        descriptor = self._open.pop(shard, None)
        if descriptor is None:
            descriptor = os.open(self.path(shard), flags, 0o666)
            if len(self._open) >= _OPEN:
                os.close(self._open.pop(next(iter(self._open))))
        self._open[shard] = descriptor
        return descriptor


def _after(buffers: Sequence[memoryview], count: int) -> list[memoryview]:
    """What is left of the buffers after their first ``count`` bytes: a call may do less than it was asked."""
    rest = []
    for buffer in buffers:
        if count < len(buffer):
            rest.append(buffer[count:])
        count = max(0, count - len(buffer))
    return rest
