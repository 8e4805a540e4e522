"""Calls that all ranks make together, over the post: rank 0 collects, and tells all.

MPI's own collective calls cannot be taken back: a rank that is interrupted in one could not leave in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd.executors.executor import ClientError
from fedkd.executors.mpi.post import Note, Pause
from fedkd.executors.mpi.world import FAILED, INTERRUPTED
from fedkd.executors.parcels import Kind, Parcel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd.executors.mpi.world import World


class Collective:
    """All ranks of a world as equals; who waits for the others looks for messages and sleeps in between.

    Args:
        world: joined.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.rank, self.size = world.rank, world.size

    def gathered(self, data: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """The bytes of every rank, in their order.

        Raises:
            ClientError: at rank 0: another rank failed, or died.
            LineClosedError: above rank 0: rank 0 has ended the job, or died.
        """
        if self.rank > 0:
            self._world.post.send(0, Parcel(Kind.REPLY, parts=(data.data,)))
            return _arrays(self._next()[1])
        by_rank = {0: data} | dict(self._collected() for _ in range(1, self.size))
        found = [by_rank[rank] for rank in range(self.size)]
        for rank in self._world.others:
            self._world.post.send(rank, Parcel(Kind.REPLY, parts=tuple(part.data for part in found)))
        return found

    def meet(self) -> None:
        """Wait until all ranks have come here.

        Raises:
            ClientError, LineClosedError: as ``gathered``.
        """
        self.gathered(np.empty(0, np.uint8))

    def _collected(self) -> tuple[int, NDArray[np.uint8]]:
        rank, parcel = self._next()
        return rank, _arrays(parcel)[0]

    def _next(self) -> tuple[int, Parcel]:
        """The next parcel, and whose it is; notes on the way are heeded."""
        pause = Pause()
        while True:
            got = self._world.hear()
            if got is None:
                self._rest(pause)
            elif isinstance(got.item, Parcel):
                return got.rank, got.item
            else:
                self._heed(got.rank, got.item)

    def _rest(self, pause: Pause) -> None:
        if self.rank > 0:
            self._world.rest(pause)
            return
        if lost := self._world.post.lost():
            raise ClientError(f"rank {min(lost)} died")
        pause.sleep()

    def _heed(self, rank: int, note: Note) -> None:
        if note.word == INTERRUPTED:
            self._world.interrupt(note.values["signal"])
        if note.word == FAILED:
            raise ClientError(f"rank {rank}: {note.values['message']}", note.values["trace"])


def _arrays(parcel: Parcel) -> list[NDArray[np.uint8]]:
    return [np.frombuffer(part, np.uint8) for part in parcel.parts]
