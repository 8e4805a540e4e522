"""Everything in this process, one client after another: also the executor to debug with."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedkd.algorithms import Partial
from fedkd.clients import ClientState
from fedkd.errors import StorageError
from fedkd.executors.executor import Carried, ClientError, Exchange, Executor, ExecutorChoice, Refresh, Site
from fedkd.executors.orders import Order, Reply, named
from fedkd.executors.placement import Seat, local_devices
from fedkd.executors.worker import Worker
from fedkd.messages import Broadcast
from fedkd.predict import Regret
from fedkd.records.report import Placement

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Local(ExecutorChoice):
    """One worker in this process, on its first GPU if it has one."""

    def start(self, site: Site) -> Executor:
        """One worker."""
        device = next(iter(local_devices()), "cpu")
        return InProcess([site.make_worker(device)], device)


class InProcess(Executor):
    """Workers in this process; client i always goes to worker i mod the number of workers."""

    def __init__(self, workers: Sequence[Worker], device: str = "cpu") -> None:
        self.workers = workers
        self._device = device
        self._fresh = True
        self._committed: tuple[int, ...] = ()

    def exchange(self, broadcast: Broadcast, refresh: Refresh) -> Exchange:
        """Run the cohort in order."""
        messages = refresh() if self._fresh else ()
        for worker in self.workers:
            worker.begin(messages, self._committed)
        self._fresh = False
        began, replies, placements = time.perf_counter(), list[Reply](), list[Placement]()
        for number, worker in enumerate(self.workers):
            mine = [client for client in broadcast.cohort if client % len(self.workers) == number]
            together = worker.workshop.trainer.together
            for group in (mine[first : first + together] for first in range(0, len(mine), together)):
                start = time.perf_counter() - began
                replies += self._run(broadcast, worker, group)
                end = time.perf_counter() - began
                placements += [Placement(client, number, start, end, None) for client in group]
        partials = [partial for worker in self.workers if (partial := worker.summed()) is not None]
        residency = Regret.joined(learned for worker in self.workers if (learned := worker.store.learned()) is not None)
        told = {} if residency is None else {"residency": residency}
        return Exchange(replies, Partial.merged(partials), tuple(placements), learned=told)

    def evaluate(self, model: Tensor) -> dict[str, float]:
        """By the first worker."""
        return self.workers[0].evaluate(model)

    def commit(self, rounds: tuple[int, ...], undone: Mapping[int, int]) -> Carried:
        """Of all workers."""
        self._committed = rounds
        states: dict[int, ClientState] = {}
        for worker in self.workers:
            states |= worker.commit(rounds, undone)
        return Carried(states)

    def restore(self, rounds: tuple[int, ...], carried: Carried) -> None:
        """To the workers whose clients they are."""
        self._committed, count = rounds, len(self.workers)
        for number, worker in enumerate(self.workers):
            mine = {client: state for client, state in carried.states.items() if client % count == number}
            worker.restore(rounds[-1], mine)

    @property
    def seats(self) -> Sequence[Seat]:
        """All here."""
        return [Seat(number, "here", self._device) for number, _ in enumerate(self.workers)]

    def close(self) -> None:
        """Close the stores."""
        for worker in self.workers:
            worker.store.close()

    def _run(self, broadcast: Broadcast, worker: Worker, group: Sequence[int]) -> list[Reply]:
        try:
            return worker.run(broadcast.round, [Order(client, broadcast.to(client)) for client in group])
        except StorageError:
            raise
        except (Exception, SystemExit) as error:
            where = f"{named(group)}, round {broadcast.round}"
            raise ClientError(f"{where}: {type(error).__name__}: {error}", traceback.format_exc()) from error
