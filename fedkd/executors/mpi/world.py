"""All ranks of a job as one of them sees them."""

from __future__ import annotations

import signal
import time
import warnings
from contextvars import ContextVar
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

from fedkd.errors import ConfigurationError
from fedkd.executors.lines import LineClosedError
from fedkd.executors.mpi import muster
from fedkd.executors.mpi.environment import size_of_environment
from fedkd.executors.mpi.line import MpiLine
from fedkd.executors.mpi.post import Note, Pause, Post, Received
from fedkd.signals import SIGNALS, Interrupted

if TYPE_CHECKING:
    from mpi4py import MPI

LEAVE, BYE, FAILED, INTERRUPTED = "leave", "bye", "failed", "interrupted"


class World:
    """This process's rank, its host, and the post to the others.

    Args:
        comm: all ranks; a collective call.
    """

    def __init__(self, comm: MPI.Comm) -> None:
        self.comm, self.rank, self.size = comm, comm.rank, comm.size
        self.post = Post(comm)
        self.home = muster.leader(comm)
        self.dismissed = self.rank == 0
        """Whether rank 0 has let this rank go."""
        self.complaint: Note | None = None
        """What another rank last said about why it failed."""

    @property
    def others(self) -> list[int]:
        """The ranks above 0 that are alive."""
        lost = self.post.lost()
        return [rank for rank in range(1, self.size) if rank not in lost]

    def line(self) -> MpiLine | None:
        """Above rank 0: the line for the next job, once there is one; None when rank 0 lets this rank go.

        Raises:
            LineClosedError: rank 0 died, and MPI survived it.
        """
        pause = Pause()
        while not self.dismissed:
            got = self.hear()
            if got is None:
                self.rest(pause)
            elif got.item == Note(muster.ASK):
                self.post.send(0, muster.greeting(self.home))
            elif isinstance(got.item, Note) and got.item.word == muster.SEAT:
                return MpiLine(self, muster.seat_of(got.item))
            # Anything else belongs to a job that is over.
        return None

    def hear(self) -> Received | None:
        """What arrived, as ``Post.poll``; what concerns the end of the job is noted, too."""
        got = self.post.poll()
        if got is not None and isinstance(got.item, Note):
            self.dismissed |= got.item.word == LEAVE
            if got.item.word == FAILED:
                self.complaint = got.item
        return got

    def dismiss(self, seconds: float) -> bool:
        """At rank 0: let all others go; False when some are still at work after so many seconds."""
        left, end, pause = set(self.others), time.monotonic() + seconds, Pause()
        for rank in left:
            self.post.send(rank, Note(LEAVE))
        while left and time.monotonic() < end:
            got = self.hear()
            if got is None:
                left &= set(self.others)
                pause.sleep()
            elif got.item == Note(BYE):
                left.discard(got.rank)
        return not left

    def await_dismissal(self, seconds: float) -> bool:
        """Above rank 0: drop what comes until rank 0 lets this rank go; False when it has not after so long."""
        end, pause = time.monotonic() + seconds, Pause()
        while not self.dismissed and time.monotonic() < end and 0 not in self.post.lost():
            if self.hear() is None:
                pause.sleep()
        return self.dismissed

    def rest(self, pause: Pause) -> None:
        """Above rank 0, between two looks.

        Raises:
            LineClosedError: rank 0 has let this rank go, or died.
        """
        if self.dismissed:
            raise LineClosedError("rank 0 has ended the job")
        if 0 in self.post.lost():
            raise LineClosedError("rank 0 died")
        pause.sleep()

    def say_bye(self) -> None:
        """Above rank 0, the last thing sent."""
        self.post.send(0, Note(BYE))
        pause = Pause()
        while not self.post.settled():
            pause.sleep()

    def interrupt(self, number: int) -> NoReturn:
        """End this rank's work as the signal does, once: every rank may have been told of the same Ctrl-C."""
        self.ignore_signals()
        raise Interrupted(number)

    def ignore_signals(self) -> None:
        """From now on this rank leaves, and shall do so in order."""
        for ignored in SIGNALS:
            signal.signal(ignored, signal.SIG_IGN)

    @staticmethod
    def here() -> World:
        """The world that this process has joined.

        Raises:
            ConfigurationError: none; it was not started by mpirun.
        """
        world = _HERE.get()
        if world is None:
            raise ConfigurationError("executor: no MPI here; start with mpirun -n 2 or more, or choose executor=auto")
        return world


_HERE: ContextVar[World | None] = ContextVar("world", default=None)
"""MPI is the process's own; so is this. Threads do not see it, and must not."""


def join() -> World:
    """Load MPI, start it, and meet the other ranks.

    Raises:
        ConfigurationError: there is no MPI, or another one than the launcher's.
    """
    mpi = _load()
    if not mpi.Is_initialized():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # Of another launcher's environment: told below.
            # Only the main thread calls MPI; that there are others is all that it must know.
            mpi.Init_thread(mpi.THREAD_FUNNELED)
    comm, size = mpi.COMM_WORLD, size_of_environment()
    comm.Set_errhandler(mpi.ERRORS_RETURN)
    if comm.size == 1 and size not in (None, 1):
        library = " ".join(mpi.Get_library_version().split()).partition(",")[0]
        raise ConfigurationError(
            f"mpi: {size} processes were launched, but {library} sees one; use the launcher that belongs to it"
        )
    world = World(comm)
    _HERE.set(world)
    return world


def _load() -> ModuleType:
    try:
        import mpi4py

        # We say when it starts and ends: an exit without our leave must not wait for the others for ever.
        mpi4py.rc.initialize = False
        mpi4py.rc.finalize = False
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        reason = str(error).split("\n")[0]
        raise ConfigurationError(f"mpi: cannot be loaded ({reason}); pip install 'fedkd[mpi]'") from None
    return MPI
