"""The post between rank 0 and the others: parcels and notes, point to point, in the order in which they were sent.

A parcel travels as its head, then each part that is not empty, in chunks; a note is a small JSON object. Buffers of
bytes only, nothing is pickled. A rank that waits looks for messages and sleeps in between, so it leaves its core alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fedkd.executors.parcels import Head, Parcel, read_head
from fedkd_compression import WireError

if TYPE_CHECKING:
    from mpi4py import MPI

HEAD, PART, NOTE = 7001, 7002, 7003
"""Tags."""
CHUNK = 1 << 30
"""Most bytes of a message: MPI counts them in 32 bits."""
SHORTEST, LONGEST, GROWTH = 50e-6, 1e-3, 1.2
"""Seconds of sleep between two looks, at first and after a while: about a sixth of the time waited so far."""
PROBES = 4
"""MPICH finds what has arrived at the second or third probe."""

Piece = bytes | memoryview


@dataclass(frozen=True)
class Note:
    """What ranks tell each other beside the parcels.

    Args:
        word: what it is about.
        values: for JSON.
    """

    word: str
    values: dict[str, Any] = field(default_factory=dict)

    def pack(self) -> bytes:
        """As it travels."""
        return json.dumps([self.word, self.values]).encode()

    @classmethod
    def unpack(cls, data: Piece) -> Note:
        """From what ``pack`` gave."""
        return cls(*json.loads(bytes(data)))


class Received(NamedTuple):
    """What came, and from whom."""

    rank: int
    item: Parcel | Note


class Pause:
    """Sleeps that grow while nothing happens."""

    def __init__(self) -> None:
        self.seconds = SHORTEST

    def sleep(self) -> None:
        """Once; the next one is longer."""
        time.sleep(self.next())

    def next(self) -> float:
        """Seconds of the sleep that is due."""
        seconds, self.seconds = self.seconds, min(GROWTH * self.seconds, LONGEST)
        return seconds


class Post:
    """This rank's end.

    Args:
        comm: all ranks.
    """

    def __init__(self, comm: MPI.Comm) -> None:
        from mpi4py import MPI

        self._mpi, self._comm, self._status = MPI, comm, MPI.Status()
        self._from = MPI.ANY_SOURCE if comm.rank == 0 else 0
        self._leaving: list[tuple[int, MPI.Request, Piece]] = []
        self._coming: dict[int, _Coming] = {}
        self._lost: frozenset[int] = frozenset()

    def send(self, rank: int, item: Parcel | Note) -> None:
        """Start to send; the item's buffers must stay as they are until it has left.

        To a rank that died: does nothing.
        """
        self.settled()
        if rank not in self.lost():
            for tag, piece in _pieces(item):
                self._leaving.append((rank, self._comm.Isend([piece, self._mpi.BYTE], rank, tag), piece))

    def offer(self, note: Note) -> None:
        """Start to send a note to rank 0, which has left only when rank 0 has taken it; not if rank 0 died."""
        if 0 not in self.lost():
            piece = note.pack()
            self._leaving.append((0, self._comm.Issend([piece, self._mpi.BYTE], 0, NOTE), piece))

    def tell(self, note: Note) -> None:
        """Send a note to rank 0 from within a signal handler, where ``send`` may be under way already."""
        self._comm.Send([note.pack(), self._mpi.BYTE], 0, NOTE)

    def settled(self) -> bool:
        """Whether all that was sent has left; what was sent to the dead counts as such."""
        if self._leaving:
            lost = self.lost()
            self._leaving = [entry for entry in self._leaving if entry[0] not in lost and not self._done(entry[1])]
        return not self._leaving

    def poll(self) -> Received | None:
        """The next parcel or note that has arrived as a whole; None while there is none."""
        while self._arrived():
            rank, tag = self._status.source, self._status.tag
            try:
                item = self._take(rank, tag)
            except self._mpi.Exception as error:
                self._bear(error)
                continue
            if item is not None:
                return Received(rank, item)
        return None

    def lost(self) -> frozenset[int]:
        """Ranks that died, where MPI survives that; elsewhere it ends the job by itself."""
        try:
            failed = self._comm.Get_failed()
        except NotImplementedError:  # Open MPI before 5.
            return self._lost
        if failed.size > len(self._lost):
            ranks = self._mpi.Group.Translate_ranks(failed, range(failed.size), self._comm.Get_group())
            self._lost = frozenset(map(int, ranks))
            self._comm.Ack_failed()
        failed.Free()
        return self._lost

    def _arrived(self) -> bool:
        try:
            probes = (self._comm.Iprobe(self._from, self._mpi.ANY_TAG, self._status) for _ in range(PROBES))
            return any(probes)
        except self._mpi.Exception as error:
            self._bear(error)
            return False

    def _take(self, rank: int, tag: int) -> Parcel | Note | None:
        """Receive the message that was found; the result is the item that it completes."""
        size = self._status.Get_count(self._mpi.BYTE)
        coming = self._coming.get(rank)
        into = coming.room(size) if tag == PART and coming is not None else memoryview(bytearray(size))
        self._comm.Recv([into, self._mpi.BYTE], rank, tag)
        if tag == NOTE:
            return Note.unpack(into)
        if tag == HEAD:
            # A sender that was interrupted may have left its last parcel unfinished.
            coming = self._coming[rank] = _Coming(read_head(into))
        if coming is None or not coming.complete:
            return None
        del self._coming[rank]
        return coming.parcel()

    def _done(self, request: MPI.Request) -> bool:
        try:
            return request.Test()
        except self._mpi.Exception as error:
            self._bear(error)
            return True

    def _bear(self, error: MPI.Exception) -> None:
        """Go on where it says no more than that a rank died."""
        if error.Get_error_class() not in (self._mpi.ERR_PROC_FAILED, self._mpi.ERR_PROC_FAILED_PENDING):
            raise error
        self._comm.Ack_failed()


class _Coming:
    """A parcel of which not everything has arrived."""

    def __init__(self, head: Head) -> None:
        self._head = head
        # Unlike a bytearray it is not filled with zeros first.
        self._parts = tuple(np.empty(size, np.uint8).data for size in head.sizes)
        self._rooms = [chunk for part in self._parts for chunk in _chunks(part)]
        self._rooms.reverse()

    @property
    def complete(self) -> bool:
        return not self._rooms

    def room(self, size: int) -> memoryview:
        """Where the next chunk goes."""
        room = self._rooms.pop()
        if len(room) != size:
            raise WireError(f"parcel: a part of {size} bytes where the head says {len(room)}")
        return room

    def parcel(self) -> Parcel:
        return self._head.filled(self._parts)


def _pieces(item: Parcel | Note) -> Iterator[tuple[int, Piece]]:
    """The messages that an item travels as."""
    if isinstance(item, Note):
        yield NOTE, item.pack()
        return
    yield HEAD, item.head()
    for part in item.parts:
        for chunk in _chunks(memoryview(part)):
            yield PART, chunk


def _chunks(part: memoryview) -> Iterator[memoryview]:
    return (part[start : start + CHUNK] for start in range(0, len(part), CHUNK))
