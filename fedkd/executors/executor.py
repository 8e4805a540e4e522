"""What an executor is: it moves the server's messages to workers, and what they answer back."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from fedkd.algorithms import Partial
from fedkd.clients import ClientState
from fedkd.executors.orders import Reply
from fedkd.executors.parcels import Kind, Parcel
from fedkd.executors.placement import Seat, local_devices
from fedkd.executors.schedule import STICKY, Schedule
from fedkd.executors.worker import Worker
from fedkd.messages import Broadcast
from fedkd.predict import Regret
from fedkd.records.report import Commentator, Outcome, Placement

if TYPE_CHECKING:
    from torch import Tensor

Refresh = Callable[[], Sequence[bytes]]
"""Messages that bring a worker that knows nothing to where a round's broadcast finds the others."""


class ClientError(RuntimeError):
    """A client failed; the message carries its number, the round, the worker and what went wrong.

    Args:
        trace: where, in the lines of a traceback.
    """

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


@dataclass(frozen=True)
class Exchange:
    """What came back from a round's cohort.

    Args:
        replies: in any order.
        partial: what the updates add up to, where workers add them.
        placements: which worker trained whom, and when.
        missing: clients that did not answer, and why.
        unsent: those of them to whom nothing was sent, so that nothing is counted for them alone.
        moved: bytes of client states that went from one worker to another before the round.
        learned: what learned predictions have cost so far, by what was predicted.
    """

    replies: Sequence[Reply]
    partial: Partial | None
    placements: tuple[Placement, ...]
    missing: Mapping[int, str] = field(default_factory=dict)
    unsent: Collection[int] = ()
    moved: int = 0
    learned: Mapping[str, Regret] = field(default_factory=dict)


@dataclass(frozen=True)
class Carried:
    """What a checkpoint carries for an executor.

    Args:
        states: of clients, which only memory holds.
        schedule: what was learned of clients and workers, by name: it changes times, and no result.
    """

    states: Mapping[int, ClientState] = field(default_factory=dict)
    schedule: Mapping[str, Mapping[Any, Any]] = field(default_factory=dict)


class Executor(ABC):
    """Moves messages between the server and the workers; it never looks into them."""

    @abstractmethod
    def exchange(self, broadcast: Broadcast, refresh: Refresh) -> Exchange:
        """Deliver a broadcast to its cohort and collect the replies.

        Raises:
            ClientError: a client could not be trained.
        """

    @abstractmethod
    def evaluate(self, model: Tensor) -> dict[str, float]:
        """The quality of the server's model [d], measured by one worker.

        Raises:
            ClientError: it could not be measured.
        """

    @abstractmethod
    def commit(self, rounds: tuple[int, ...], undone: Mapping[int, int]) -> Carried:
        """Make the clients' states before a round durable; a checkpoint of the server before that round follows.

        Args:
            rounds: of the checkpoints that are kept, in order; the last is the one that follows.
            undone: clients that have not heard yet that their last update did not count, and the round from which
                their states are to be forgotten.
        """

    @abstractmethod
    def restore(self, rounds: tuple[int, ...], carried: Carried) -> None:
        """Go on from a checkpoint, the last of these rounds: take up what ``commit`` returned for it."""

    @property
    @abstractmethod
    def seats(self) -> Sequence[Seat]:
        """Where the workers run."""

    @abstractmethod
    def close(self) -> None:
        """Let the workers go."""


@dataclass(frozen=True)
class StartingOrder:
    """What a worker is made from in a process that inherits nothing.

    Args:
        folder: of the run.
        values: the resolved configuration.
        lesson: what the teacher has learned, packed.
    """

    folder: Path
    values: Mapping[str, object]
    lesson: bytes

    def parcel(self, device: str) -> Parcel:
        """The order to a process whose worker is to use a device."""
        plain = {"folder": str(self.folder.resolve()), "values": self.values, "device": device}
        return Parcel(Kind.START, parts=(json.dumps(plain).encode(), self.lesson))

    @staticmethod
    def read(order: Parcel) -> tuple[StartingOrder, str]:
        """The order, and the device."""
        plain = json.loads(bytes(order.parts[0]))
        start = StartingOrder(Path(plain["folder"]), plain["values"], bytes(order.parts[1]))
        return start, plain["device"]


@dataclass(frozen=True)
class Site:
    """What an executor is started with.

    Args:
        make_worker: a worker for a device ("cpu", "cuda:0"); called where the worker is to run.
        rehearse: does once what every worker will do, so that forked ones inherit compiled code.
        dim: d, the number of parameters.
        work: how much there is to do for each client: samples times local epochs.
        cohort: clients of the largest round.
        together: clients that a worker is best given at a time, at most.
        shared_states: whether any worker of a host can read any client's state.
        start: what a process that inherits nothing makes its worker from.
        run: the number that this run's messages carry.
        beside: numbers that a client sends beside its update.
        quorum: share of a cohort, in (0, 1], without which a round fails.
        schedule: how clients come to workers.
    """

    make_worker: Callable[[str], Worker]
    rehearse: Callable[[], None]
    dim: int
    work: Sequence[float]
    cohort: int
    together: int
    shared_states: bool
    start: StartingOrder
    run: int
    beside: int = 0
    quorum: float = 1.0
    schedule: Schedule = STICKY


class Plan(Protocol):
    """A run that is about to start, as far as an executor looks at it; ``fedkd.job.Job`` is one."""

    @property
    def folder(self) -> Path:
        """What the run leaves behind."""

    @property
    def values(self) -> Mapping[str, object]:
        """The resolved configuration."""

    @property
    def overrides(self) -> Sequence[str]:
        """What the run was started with."""

    @property
    def clients(self) -> int:
        """Number of clients."""

    @property
    def recorder(self) -> Commentator:
        """To which the run speaks."""


class ExecutorChoice(ABC):
    """Which executor: a configured value.

    Attributes:
        volatile: whether clients are on their own: they hold their memories themselves, may fail, leave and come back,
            and are then started anew.
    """

    volatile: ClassVar[bool] = False

    @abstractmethod
    def start(self, site: Site) -> Executor:
        """Start the workers.

        Raises:
            ConfigurationError: they cannot be placed as asked.
        """

    def conduct(self, plan: Plan) -> Outcome | None:
        """Run the whole of it in processes of its own, and say how it ended; None: it is to run here.

        Raises:
            ConfigurationError: it cannot run as asked.
            ClientError: it ended without an outcome.
        """
        return None

    def aside(self, work: Callable[[], bytes]) -> bytes:
        """Do work that trains before there are workers: here, unless the executor needs this process clean."""
        return work()

    def abreast(self, work: Callable[[str], bytes], cohort: int) -> list[bytes]:
        """Do work on the device of every worker at the same time, as workers of this process would; here there is one.

        Args:
            work: is given the device.
            cohort: clients of the largest round.
        """
        return [self.aside(lambda: work(next(iter(local_devices()), "cpu")))]

    def densities(self) -> Sequence[ExecutorChoice]:
        """This choice with the numbers of workers on a GPU that may be tried; itself where it says how many."""
        return [self]
