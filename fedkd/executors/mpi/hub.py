"""Rank 0's end of all workers: the ranks above it, and a thread of its own where the server trains, too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Literal

from fedkd.errors import ConfigurationError
from fedkd.executors.executor import ClientError
from fedkd.executors.lines import Event, Hub, Line
from fedkd.executors.mpi import muster
from fedkd.executors.mpi.post import Note, Pause, Received
from fedkd.executors.mpi.world import FAILED, INTERRUPTED
from fedkd.executors.parcels import Kind, Parcel
from fedkd.executors.placement import Seat
from fedkd.executors.threads import ThreadWorker

if TYPE_CHECKING:
    from fedkd.executors.mpi.world import World

SECONDS_TO_STOP = 0.5
"""How long the thread may take to stop; then it is left to the end of the process."""


class MpiHub(Hub):
    """Workers in the order of their ranks.

    Args:
        world: of rank 0.
        enter: what the thread of rank 0 does with its seat and its line.
        server_trains: whether there is such a thread; it is worker 0.

    Raises:
        ConfigurationError: the workers cannot be placed as asked, or there is none.
        ClientError: a rank failed before it had a seat.
    """

    def __init__(
        self,
        world: World,
        enter: Callable[[Seat, Line], None],
        workers_per_gpu: int | Literal["auto"],
        server_trains: bool,
    ) -> None:
        self._world = world
        self._ranks = [0] * server_trains + world.others
        if not self._ranks:
            raise ConfigurationError(
                f"executor: server_trains=false and {world.size} rank leave no worker; start with mpirun -n 2 or more"
            )
        seats = muster.assign(self._greetings(), workers_per_gpu)
        self._seats = [replace(seat, rank=rank) for rank, seat in zip(self._ranks, seats, strict=True)]
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._buried: set[int] = set()
        self._thread: ThreadWorker | None = None
        for rank, seat in zip(self._ranks, self._seats, strict=True):
            if rank:
                world.post.send(rank, muster.seat_note(seat))
        if server_trains:
            self._thread = ThreadWorker(0, lambda line: enter(self._seats[0], line), self._events)

    @property
    def seats(self) -> Sequence[Seat]:
        """As rank 0 gave them."""
        return self._seats

    def send(self, worker: int, parcel: Parcel) -> None:
        """Start to send; the parts must stay as they are until the worker has answered."""
        if self._ranks[worker]:
            self._world.post.send(self._ranks[worker], parcel)
        elif self._thread is not None:
            self._thread.send(parcel)

    def wait(self) -> Event:
        """Look for messages; sleep in between until the thread has something.

        Raises:
            KeyboardInterrupt: another rank was interrupted.
        """
        pause = Pause()
        while True:
            self._world.post.settled()
            got = self._world.hear()
            event = self._event(got) if got is not None else self._rest(pause)
            if event is not None:
                return event

    def replace(self, worker: int) -> bool:
        """MPI has no other rank to offer."""
        return False

    def close(self) -> None:
        """Say stop; ranks that do not hear it are ended with the job."""
        for worker, rank in enumerate(self._ranks):
            if rank:
                self.send(worker, Parcel(Kind.STOP))
        if self._thread is not None:
            self._thread.close(SECONDS_TO_STOP)

    def _event(self, got: Received) -> Event | None:
        """What an arrival means for the job."""
        rank, item = got
        if isinstance(item, Parcel):
            return Event(self._ranks.index(rank), item)
        if item.word == INTERRUPTED:
            self._world.interrupt(item.values["signal"])
        if item.word == FAILED:
            return Event(self._ranks.index(rank), failed(item))
        return None

    def _rest(self, pause: Pause) -> Event | None:
        """Nothing arrived: the thread's next answer, or the news of a death, or None after a short sleep."""
        for worker, rank in enumerate(self._ranks):
            if rank in self._world.post.lost() and worker not in self._buried:
                self._buried.add(worker)
                return Event(worker, None, f"(rank {rank}) died")
        try:
            return self._events.get(timeout=pause.next())
        except Empty:
            return None

    def _greetings(self) -> list[dict[str, Any]]:
        """Of the ranks that are to be workers; what they sent for an earlier job is dropped."""
        world, said = self._world, dict[int, dict[str, Any]]()
        if 0 in self._ranks:
            said[0] = muster.greeting(world.home).values
        for rank in world.others:
            world.post.send(rank, Note(muster.ASK))
        pause = Pause()
        while missing := [rank for rank in self._ranks if rank not in said]:
            got = world.hear()
            if got is not None and isinstance(got.item, Note):
                said[got.rank] = self._checked(got.rank, got.item)
            elif got is None:
                pause.sleep()
                if died := world.post.lost().intersection(missing):
                    raise ClientError(f"rank {min(died)} died before it had a seat")
        return [said[rank] for rank in self._ranks]

    def _checked(self, rank: int, note: Note) -> dict[str, Any]:
        """The greeting that was expected of a rank."""
        if note.word == INTERRUPTED:
            self._world.interrupt(note.values["signal"])
        if note.word == FAILED:
            raise ClientError(f"rank {rank}: {note.values['message']}", note.values["trace"])
        return note.values


def failed(note: Note) -> Parcel:
    """What a rank says about its failure, in the form in which a worker says it."""
    return Parcel(Kind.FAILED, parts=(note.values["message"].encode(), note.values["trace"].encode()))
