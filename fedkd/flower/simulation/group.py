"""A process and all that it starts: one process group, which ends as a whole."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from fedkd.signals import postponed

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
PATIENCE = 5.0
"""Seconds that the kernel may take to end processes that were killed."""


class Group:
    """A command that runs in a session of its own, where Ctrl-C in a terminal does not reach it.

    Args:
        command: to start.
        environment: of it.
        log: where its output goes, behind what is there.
        bound: whether it ends with this process, even when this process is killed.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path, bound: bool) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - commands of our own
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_bind if bound and _LINUX else None,  # noqa: PLW1509 - a system call, nothing else
            )

    @property
    def ended(self) -> bool:
        """Whether the command itself is over."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """End every process of the group, and wait until none is left."""
        number = self._process.pid
        deadline = time.monotonic() + PATIENCE
        while _signal(number) and time.monotonic() < deadline:
            _reap(number)
            time.sleep(0.01)
        self._process.wait()


@contextlib.contextmanager
def adoption() -> Iterator[None]:
    """Meanwhile this process, not the system's first one, is the parent of processes whose parent has ended.

    It can then wait for them; a container's first process may leave them as zombies for good.
    """
    prctl = _prctl()
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Put Ctrl-C off until the end of a block: what tidies up must not stop half-way.

    Raises:
        KeyboardInterrupt: at the end, if there was one.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or not _in_main_thread():
        with postponed():
            yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


_LINUX = sys.platform == "linux"


def _prctl() -> Callable[[int, int], object]:
    return ctypes.CDLL(None).prctl if _LINUX else lambda *_: None


def _bind() -> None:
    """In the child before it becomes the command: die when the parent does."""
    _prctl()(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _signal(group: int) -> bool:
    """Kill the group; whether there was still one, be it of zombies."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _reap(group: int) -> None:
    """Take leave of children that are over."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
