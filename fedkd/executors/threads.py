"""A worker in a thread of the server's process: the server stays free to serve others while it trains."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

from fedkd.executors.lines import Event, Line, LineClosedError
from fedkd.executors.loop import failure
from fedkd.executors.parcels import Kind, Parcel

THREAD = "fedkd worker"
"""What the threads' names begin with."""


class ThreadLine(Line):
    """A line in memory; what it carries is not copied."""

    def __init__(self, worker: int, orders: SimpleQueue[Parcel], events: SimpleQueue[Event]) -> None:
        self._worker, self._orders, self._events = worker, orders, events

    def send(self, parcel: Parcel) -> None:
        """Put it into the server's queue."""
        self._events.put(Event(self._worker, parcel))

    def receive(self) -> Parcel:
        """Sleep until there is an order."""
        return self._orders.get()


class ThreadWorker:
    """The server's end: a thread that serves, and the queues to and from it.

    Args:
        worker: its number.
        serve: what the thread does; whatever it raises arrives as a FAILED parcel.
        events: where its answers go.
    """

    def __init__(self, worker: int, serve: Callable[[Line], None], events: SimpleQueue[Event]) -> None:
        self._orders: SimpleQueue[Parcel] = SimpleQueue()
        self._line = ThreadLine(worker, self._orders, events)
        # A daemon: a client that is being trained when the job fails must not keep the process.
        self._thread = Thread(target=self._live, args=(serve,), name=f"{THREAD} {worker}", daemon=True)
        self._thread.start()

    def send(self, parcel: Parcel) -> None:
        """Hand over an order; it waits until the thread asks for it."""
        self._orders.put(parcel)

    def close(self, seconds: float) -> bool:
        """Say stop and wait for the thread, so long at most; whether it has ended."""
        self._orders.put(Parcel(Kind.STOP))
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _live(self, serve: Callable[[Line], None]) -> None:
        try:
            serve(self._line)
        except LineClosedError:
            return
        except BaseException as error:
            self._line.send(failure(Parcel(Kind.START), error))
