"""The executor that fits where the program was started."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from fedkd.algorithms.abreast import cores
from fedkd.errors import ConfigurationError
from fedkd.executors.executor import Executor, ExecutorChoice, Site
from fedkd.executors.in_process import Local
from fedkd.executors.mpi import launched
from fedkd.executors.placement import local_devices
from fedkd.executors.processes import Processes
from fedkd.executors.ranks import Mpi


@dataclass(frozen=True)
class Auto(ExecutorChoice):
    """MPI's ranks under mpirun; else local processes where there are several cores or a GPU; else this process.

    Args:
        workers: of local processes; "auto" as there. Under mpirun the number of ranks counts.
        workers_per_gpu: as there.
        server_trains: under mpirun, whether rank 0 is a worker too.
    """

    workers: int | Literal["auto"]
    workers_per_gpu: int | Literal["auto"]
    server_trains: bool

    def __post_init__(self) -> None:
        if launched() and self.workers != "auto":
            raise ConfigurationError(
                f"Auto: workers={self.workers} under mpirun, which says how many; choose workers = auto"
            )
        Processes(self.workers, self.workers_per_gpu)

    def start(self, site: Site) -> Executor:
        """Start the one that fits."""
        return self._choice().start(site)

    def aside(self, work: Callable[[], bytes]) -> bytes:
        """As the one that fits."""
        return self._choice().aside(work)

    def abreast(self, work: Callable[[str], bytes], cohort: int) -> list[bytes]:
        """As the one that fits."""
        return self._choice().abreast(work, cohort)

    def densities(self) -> Sequence[ExecutorChoice]:
        """Of the one that fits."""
        return self._choice().densities()

    def _choice(self) -> ExecutorChoice:
        if launched():
            return Mpi(self.workers_per_gpu, self.server_trains)
        several = self.workers != "auto" or cores() > 1 or bool(local_devices())
        return Processes(self.workers, self.workers_per_gpu) if several else Local()
