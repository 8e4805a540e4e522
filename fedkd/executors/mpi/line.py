"""A rank's line to rank 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedkd.executors.lines import Line
from fedkd.executors.mpi.post import Pause
from fedkd.executors.parcels import Parcel

if TYPE_CHECKING:
    from fedkd.executors.mpi.world import World
    from fedkd.executors.placement import Seat


class MpiLine(Line):
    """Parcels to and from rank 0, for one job.

    Args:
        seat: where rank 0 wants this rank to compute.
    """

    def __init__(self, world: World, seat: Seat) -> None:
        self._world = world
        self.seat = seat

    def send(self, parcel: Parcel) -> None:
        """Returns when the parcel's buffers are free again."""
        self._world.post.send(0, parcel)
        pause = Pause()
        while not self._world.post.settled():
            self._world.rest(pause)

    def receive(self) -> Parcel:
        """Look and sleep, in turn."""
        pause = Pause()
        while True:
            got = self._world.hear()
            if got is not None and isinstance(got.item, Parcel):
                return got.item
            if got is None:
                self._world.rest(pause)
