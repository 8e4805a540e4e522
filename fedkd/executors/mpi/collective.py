"""Calls that all ranks make together, beside the post between rank 0 and the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd.executors.lines import LineClosedError
from fedkd.executors.mpi.post import Pause

if TYPE_CHECKING:
    from mpi4py import MPI
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
            LineClosedError: another rank has failed, or rank 0 has ended the job.
        """
        counts = np.empty(self.size, np.int64)
        self._await(self._world.comm.Iallgather(np.array([data.size], np.int64), counts))
        whole = np.empty(int(counts.sum()), np.uint8)
        self._await(self._world.comm.Iallgatherv(np.ascontiguousarray(data), (whole, counts.tolist())))
        return np.split(whole, np.cumsum(counts)[:-1])

    def meet(self) -> None:
        """Wait until all ranks have come here.

        Raises:
            LineClosedError: as ``gathered``.
        """
        self._await(self._world.comm.Ibarrier())

    def _await(self, request: MPI.Request) -> None:
        pause = Pause()
        while not request.Test():
            self._world.hear()
            if self._world.complaint is not None:
                raise LineClosedError("another rank failed")
            # Rank 0 lets the others go; nobody lets it go.
            pause.sleep() if self.rank == 0 else self._world.rest(pause)
