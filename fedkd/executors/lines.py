"""Lines and hubs: how parcels get from the server's process to its workers and back."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fedkd.executors.parcels import FIXED, Parcel, read_head, tables_size
from fedkd.executors.placement import Seat

SMALL = 1 << 15
"""Bytes of the parts up to which a parcel is copied into one piece: cheaper than a call for each part."""


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


class SocketLine(Line):
    """A line over a connected stream socket."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def fileno(self) -> int:
        """For ``selectors``."""
        return self._end.fileno()

    def send(self, parcel: Parcel) -> None:
        """Head and small parts in one call, large parts as they lie in memory."""
        pieces: tuple[bytes | memoryview, ...] = (parcel.head(), *parcel.parts)
        if parcel.size <= SMALL:
            pieces = (b"".join(pieces),)
        try:
            for piece in pieces:
                self._end.sendall(piece)
        except OSError as error:
            raise LineClosedError(str(error)) from None

    def receive(self) -> Parcel:
        """Read the head, then each part into a buffer of its size."""
        fixed = self._read(FIXED)
        head = read_head(bytes(fixed) + bytes(self._read(tables_size(fixed))))
        return head.filled(tuple(self._read(size) for size in head.sizes))

    def close(self) -> None:
        """Close this end."""
        self._end.close()

    def _read(self, size: int) -> memoryview:
        # Unlike a bytearray it is not filled with zeros first.
        rest = buffer = np.empty(size, np.uint8).data
        while rest:
            try:
                count = self._end.recv_into(rest)
            except OSError as error:
                raise LineClosedError(str(error)) from None
            if not count:
                raise LineClosedError("the other end closed")
            rest = rest[count:]
        return buffer
