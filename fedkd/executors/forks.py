"""Worker processes by fork: they inherit the data and everything that was prepared, and start in milliseconds.

The process that forks must stay clean: no training, no GPU, no parallel regions of torch; so what trains before there
are workers runs aside, and evaluation is a worker's.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from fedkd.errors import ConfigurationError, StorageError
from fedkd.executors.arenas import Arena
from fedkd.executors.executor import ClientError
from fedkd.executors.lines import Event, Hub, LineClosedError, SocketLine, Ways
from fedkd.executors.loop import failure
from fedkd.executors.parcels import Kind, Parcel
from fedkd.executors.placement import Seat
from fedkd.signals import SIGNALS

SECONDS_TO_LEAVE = 0.5
"""How long a worker may take to leave when it is told to; then it is killed, which loses nothing."""
_PR_SET_PDEATHSIG = 1

Enter = Callable[[Seat, SocketLine], None]


@dataclass(frozen=True)
class Child:
    """A process that was forked, and the line to it."""

    pid: int
    line: SocketLine


def fork(
    work: Callable[[SocketLine], None],
    inherited: Sequence[SocketLine] = (),
    ways: tuple[Ways | None, Ways | None] = (None, None),
) -> Child:
    """Start a process that does the work and ends.

    Args:
        work: is given its end of the line.
        inherited: lines that are not its own, so it closes them.
        ways: the shared memory beside the socket, as this end and the other see it.
    """
    here, there = socket.socketpair()
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    # Ctrl-C and SIGTERM are the parent's to handle, also where they come to the whole group: the child ends with it.
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        pid = _forked()
        if pid == 0:
            here.close()
            for line in inherited:
                line.close()
            _live(work, SocketLine(there, ways[1]), parent)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)
    there.close()
    return Child(pid, SocketLine(here, ways[0]))


def aside(work: Callable[[], bytes]) -> bytes:
    """The result of work that this process must not do itself.

    Raises:
        ConfigurationError, StorageError: as the work does.
        ClientError: the work failed otherwise.
    """
    return abreast([work])[0]


def abreast(works: Sequence[Callable[[], bytes]]) -> list[bytes]:
    """The results of several pieces of work, done at the same time by as many processes.

    Raises:
        ConfigurationError, StorageError: as the first that fails does.
        ClientError: one failed otherwise.
    """
    children: list[Child] = []
    for work in works:
        children.append(fork(partial(_do, work), [child.line for child in children]))
    results: list[bytes] = []
    try:
        for child in children:
            results.append(_result(child))
    finally:
        for child in children[len(results) + 1 :]:
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
        for child in children:
            child.line.close()
    return results


def _result(child: Child) -> bytes:
    try:
        answer = child.line.receive()
    except LineClosedError:
        raise ClientError(f"preparing: the process that prepares the run {ending(child.pid)}") from None
    os.waitpid(child.pid, 0)
    if answer.kind is Kind.READY:
        return bytes(answer.parts[0])
    message, trace = (bytes(part).decode() for part in answer.parts)
    if answer.numbers:
        raise StorageError(message) if answer.numbers[0] == StorageError.code else ConfigurationError(message)
    raise ClientError(f"preparing: {message}", trace)


class ForkHub(Hub):
    """Workers that this process has forked; a dead one is replaced by another fork."""

    def __init__(self, seats: Sequence[Seat], enter: Enter) -> None:
        self._seats, self._enter = seats, enter
        self._children: dict[int, Child] = {}
        self._down = Arena(len(seats))
        self._selector = selectors.DefaultSelector()
        for seat in seats:
            self.replace(seat.rank)

    @property
    def seats(self) -> Sequence[Seat]:
        """All on this host."""
        return self._seats

    def send(self, worker: int, parcel: Parcel) -> None:
        """Write to its socket."""
        try:
            self._children[worker].line.send(parcel)
        except LineClosedError:
            return

    def wait(self) -> Event:
        """Sleep until a socket has something."""
        ready, _ = self._selector.select()[0]
        worker: int = ready.data
        child = self._children[worker]
        try:
            return Event(worker, child.line.receive())
        except LineClosedError:
            self._forget(worker)
            return Event(worker, None, ending(child.pid))

    def replace(self, worker: int) -> bool:
        """Fork once more."""
        seat, up = self._seats[worker], Arena()
        self._down.forget(worker)
        ways = Ways(self._down, worker, up, 0), Ways(up, 0, self._down, worker)
        others = [other.line for other in self._children.values()]
        child = fork(lambda line: self._enter(seat, line), others, ways)
        self._children[worker] = child
        self._selector.register(child.line, selectors.EVENT_READ, worker)
        return True

    def close(self) -> None:
        """Say stop, wait a moment, kill who is still there."""
        children = list(self._children.items())
        for worker, _ in children:
            self.send(worker, Parcel(Kind.STOP))
            self._forget(worker)
        _await([child.pid for _, child in children])
        self._selector.close()

    def _forget(self, worker: int) -> None:
        child = self._children.pop(worker)
        self._selector.unregister(child.line)
        child.line.close()


def ending(pid: int) -> str:
    """How a process ended, in a few words; waits for it."""
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _forked() -> int:
    """What os.fork returns; from Python 3.12 on it warns of threads, which here draw progress at most."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _live(work: Callable[[SocketLine], None], line: SocketLine, parent: int) -> NoReturn:
    """The whole life of a forked process; the parent's end is its own."""
    code = 1
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            work(line)
            code = 0
    except LineClosedError:
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _do(work: Callable[[], bytes], line: SocketLine) -> None:
    try:
        line.send(Parcel(Kind.READY, parts=(work(),)))
    except ConfigurationError as error:
        line.send(Parcel(Kind.FAILED, numbers=(1.0,), parts=(str(error).encode(), b"")))
    except BaseException as error:
        line.send(failure(Parcel(Kind.START), error))


def _await(pids: Sequence[int]) -> None:
    deadline = time.monotonic() + SECONDS_TO_LEAVE
    for pid in pids:
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                break
            time.sleep(0.001)
