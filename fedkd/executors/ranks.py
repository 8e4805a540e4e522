"""MPI ranks as workers: the executor under mpirun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fedkd.errors import ConfigurationError
from fedkd.executors.executor import Executor, ExecutorChoice, Site
from fedkd.executors.lines import Line
from fedkd.executors.loop import enter
from fedkd.executors.mpi import MpiHub, World
from fedkd.executors.placement import Seat
from fedkd.executors.pool import Pool


@dataclass(frozen=True)
class Mpi(ExecutorChoice):
    """Workers are the ranks that mpirun started; rank 0 is the server.

    Args:
        workers_per_gpu: how many ranks may share a GPU; "auto": any number.
        server_trains: whether rank 0 is a worker too, in a thread beside the server.
    """

    workers_per_gpu: int | Literal["auto"]
    server_trains: bool

    def __post_init__(self) -> None:
        if self.workers_per_gpu != "auto" and self.workers_per_gpu < 1:
            raise ConfigurationError(
                f"Mpi: workers_per_gpu={self.workers_per_gpu} is below 1; choose workers_per_gpu = auto"
            )

    def start(self, site: Site) -> Executor:
        """Tell every rank what the run is, and wait until all are ready.

        Raises:
            ConfigurationError: this process was not started by mpirun, or the ranks cannot be placed.
            ClientError: a rank could not make its worker.
        """

        def enter_thread(seat: Seat, line: Line) -> None:
            enter(lambda: site.make_worker(seat.device), line)

        pool = Pool(MpiHub(World.here(), enter_thread, self.workers_per_gpu, self.server_trains), site)
        others = range(int(self.server_trains), len(pool.seats))
        for worker in others:
            pool.hub.send(worker, site.start.parcel(pool.seats[worker].device))
        pool.answers(others)
        return pool
