"""Lines and hubs: how parcels get from the server's process to its workers and back."""

from __future__ import annotations

import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

from fedkd.executors.arenas import LINE, Arena, Place
from fedkd.executors.parcels import FIXED, Parcel, parts_count, read_head, tables_size
from fedkd.executors.placement import Seat

SMALL = 1 << 15
"""Bytes of the parts up to which a parcel is copied into one piece: cheaper than a call for each part."""

_PLACE = struct.Struct("<iq")
_HERE = Place(-1, 0)


class LineClosedError(Exception):
    """The other end is gone."""


class Line(ABC):
    """A worker's end of its connection to the server's process."""

    @abstractmethod
    def send(self, parcel: Parcel) -> None:
        """Hand a parcel over.

        Raises:
            LineClosedError: the other end is gone.
        """

    @abstractmethod
    def receive(self) -> Parcel:
        """Wait for the next parcel, without keeping a core busy.

        Raises:
            LineClosedError: the other end is gone.
        """


class Event(NamedTuple):
    """What a worker sent; None when it died: ``died`` then says how, in a few words."""

    worker: int
    parcel: Parcel | None
    died: str = ""


class Hub(ABC):
    """The server's end of all its workers, which are numbered from 0.

    ``send`` to a dead worker does nothing: ``wait`` is where its death is told, once.
    """

    @property
    @abstractmethod
    def seats(self) -> Sequence[Seat]:
        """Where each worker runs."""

    @abstractmethod
    def send(self, worker: int, parcel: Parcel) -> None:
        """Hand a parcel to a worker; it may wait until a large one is taken."""

    @abstractmethod
    def wait(self) -> Event:
        """The next parcel of any worker, or the news of a death."""

    @abstractmethod
    def replace(self, worker: int) -> bool:
        """Put another worker in a dead one's place; False where that cannot be done."""

    @abstractmethod
    def close(self) -> None:
        """Let the workers go; those that do not go by themselves are ended."""


class Ways(NamedTuple):
    """Shared memory beside a socket, as one of its ends sees it.

    Args:
        out: where this end writes large parts for the other, which is its reader ``there``.
        into: where it finds those of the other; it is its reader ``here``.
    """

    out: Arena
    there: int
    into: Arena
    here: int


class SocketLine(Line):
    """A line over a connected stream socket; between processes of one host large parts go through shared memory.

    There each head is followed by the place of every part, 12 bytes: its number, or -1 where the part follows on the
    socket, and its first byte.
    """

    def __init__(self, end: socket.socket, ways: Ways | None = None) -> None:
        self._end, self._ways = end, ways

    def fileno(self) -> int:
        """For ``selectors``."""
        return self._end.fileno()

    def send(self, parcel: Parcel) -> None:
        """Head and small parts in one call, large parts as they lie in memory, or into the shared one."""
        places = [self._put(part) for part in parcel.parts] if self._ways else []
        head = parcel.head() + b"".join(_PLACE.pack(*(place or _HERE)) for place in places)
        pieces = (head, *(part for part, place in zip_longest(parcel.parts, places) if place is None))
        if sum(map(len, pieces)) <= SMALL:
            pieces = (b"".join(pieces),)
        try:
            for piece in pieces:
                self._end.sendall(piece)
        except OSError as error:
            raise LineClosedError(str(error)) from None

    def receive(self) -> Parcel:
        """Read the head, then each part into a buffer of its size, or where it lies."""
        fixed = self._read(FIXED)
        tables, places = tables_size(fixed), _PLACE.size * parts_count(fixed) if self._ways else 0
        rest = self._read(tables + places)
        head = read_head(bytes(fixed) + bytes(rest[:tables]))
        where = _PLACE.iter_unpack(rest[tables:])
        return head.filled(tuple(self._part(size, next(where, _HERE)) for size in head.sizes))

    def _put(self, part: bytes | memoryview) -> Place | None:
        """Into the shared memory, if it is large and there is room."""
        assert self._ways is not None
        return self._ways.out.put(part, self._ways.there) if len(part) > SMALL else None

    def _part(self, size: int, where: tuple[int, int]) -> memoryview:
        if self._ways is None or where[0] == _HERE.number:
            return self._read(size)
        return self._ways.into.view(Place(*where), size, self._ways.here)

    def close(self) -> None:
        """Close this end, and let go of the shared memory; parts that came through it stay."""
        self._end.close()
        self._ways = None

    def _read(self, size: int) -> memoryview:
        # Unlike a bytearray it is not filled with zeros first. It ends as parts in shared memory do.
        rest = buffer = np.empty(size + -size % LINE, np.uint8).data[-size % LINE :]
        while rest:
            try:
                count = self._end.recv_into(rest)
            except OSError as error:
                raise LineClosedError(str(error)) from None
            if not count:
                raise LineClosedError("the other end closed")
            rest = rest[count:]
        return buffer
