"""What an executor is, and the one that runs everything in this process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fedkd.executors.worker import Reply, Worker
from fedkd.messages import Broadcast


class ClientError(RuntimeError):
    """A client failed; the message carries its number, the round and what went wrong."""


class Executor(ABC):
    """Moves messages between the server and the workers; it never looks into them."""

    @abstractmethod
    def exchange(self, broadcast: Broadcast) -> Sequence[Reply]:
        """Deliver a broadcast to its cohort and collect the replies, in any order.

        Raises:
            ClientError: a client could not be trained.
        """

    @property
    @abstractmethod
    def workers(self) -> Sequence[Worker]:
        """The workers of this process, whose client states a checkpoint keeps."""


class ExecutorChoice(ABC):
    """Which executor: a configured value."""

    @abstractmethod
    def start(self, make_worker: Callable[[], Worker]) -> Executor:
        """Start the executor; ``make_worker`` makes a worker where one is needed."""


@dataclass(frozen=True)
class Local(ExecutorChoice):
    """Everything in this process, one client after another: also the executor to debug with."""

    def start(self, make_worker: Callable[[], Worker]) -> Executor:
        """One worker."""
        return InProcess([make_worker()])


class InProcess(Executor):
    """Workers in this process; client i always goes to worker i mod the number of workers."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers

    def exchange(self, broadcast: Broadcast) -> Sequence[Reply]:
        """Run the cohort in order."""
        return [self._run(broadcast, client) for client in broadcast.cohort]

    @property
    def workers(self) -> Sequence[Worker]:
        """All of them."""
        return self._workers

    def _run(self, broadcast: Broadcast, client: int) -> Reply:
        worker = self._workers[client % len(self._workers)]
        try:
            return worker.run(broadcast.round, client, broadcast.to(client))
        except Exception as error:
            name = type(error).__name__
            raise ClientError(f"client {client}, round {broadcast.round}: {name}: {error}") from error
