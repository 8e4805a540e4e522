"""Local worker processes: the executor of a machine with several cores or GPUs."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from fedkd.algorithms.abreast import cores
from fedkd.errors import ConfigurationError
from fedkd.executors import forks
from fedkd.executors.executor import Executor, ExecutorChoice, Site
from fedkd.executors.lines import Line
from fedkd.executors.loop import enter
from fedkd.executors.placement import Seat, local_devices, place, worker_count
from fedkd.executors.pool import Pool

DENSITIES = (1, 2, 4)
"""Workers on a GPU that are tried."""


@dataclass(frozen=True)
class Processes(ExecutorChoice):
    """Workers forked from this process; one that dies is replaced, and its clients are run again.

    Args:
        workers: how many; "auto": one for every core, or ``workers_per_gpu`` for every GPU; at most the cohort.
        workers_per_gpu: how many may share a GPU; "auto": one when workers is "auto", else any number.
    """

    workers: int | Literal["auto"]
    workers_per_gpu: int | Literal["auto"]

    def __post_init__(self) -> None:
        for name, value in (("workers", self.workers), ("workers_per_gpu", self.workers_per_gpu)):
            if value != "auto" and value < 1:
                raise ConfigurationError(f"Processes: {name}={value} is below 1; choose {name} = auto")

    def start(self, site: Site) -> Executor:
        """Fork the workers."""
        site.rehearse()
        seats = self._seats(site.cohort)
        return Pool(forks.ForkHub(seats, lambda seat, line: self._enter(site, seat, line)), site)

    def aside(self, work: Callable[[], bytes]) -> bytes:
        """In a process of its own: workers must be forked from one that has never trained."""
        return forks.aside(work)

    def abreast(self, work: Callable[[str], bytes], cohort: int) -> list[bytes]:
        """In as many processes as there will be workers."""
        return forks.abreast([partial(work, seat.device) for seat in self._seats(cohort)])

    def densities(self) -> Sequence[ExecutorChoice]:
        """Several processes on a GPU hide each other's gaps."""
        if (self.workers, self.workers_per_gpu) != ("auto", "auto") or not local_devices():
            return [self]
        return [replace(self, workers_per_gpu=number) for number in DENSITIES]

    def _seats(self, cohort: int) -> tuple[Seat, ...]:
        devices, host = local_devices(), socket.gethostname()
        count = worker_count(self.workers, devices, self.workers_per_gpu, cores(), cohort)
        return place([host] * count, {host: devices}, self.workers_per_gpu)

    def _enter(self, site: Site, seat: Seat, line: Line) -> None:
        enter(lambda: site.make_worker(seat.device), line)
