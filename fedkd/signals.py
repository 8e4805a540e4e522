"""What Ctrl-C and SIGTERM do to a command: the first ends its work in order, a second one ends it at once.

The first raises in the main thread, wherever that is, and unwinds it: the run's last files are written and its workers
are let go. Forked workers hear neither signal: they end with their server.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SECONDS_TOGETHER = 0.3
"""A launcher that passes a signal on may do so to a process and to its group: it then comes twice."""
_SHOW_CURSOR = b"\x1b[?25h"


class Interrupted(KeyboardInterrupt):
    """A signal wants the command to end.

    Args:
        number: of the signal.

    Attributes:
        code: with which the command ends, as shells have it.

    Example:
        >>> Interrupted(signal.SIGTERM).code
        143
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        self.code = 128 + number


def exit_code(stop: KeyboardInterrupt) -> int:
    """With which a command ends that was interrupted; without a signal of ours it was Ctrl-C."""
    return stop.code if isinstance(stop, Interrupted) else 128 + signal.SIGINT


@contextlib.contextmanager
def heeded() -> Iterator[None]:
    """Heed the signals until the end of a command's work; those that are ignored stay ignored.

    After a signal they are heeded still: the process is at its end, which another one may hasten.

    Raises:
        Interrupted: wherever a signal finds the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heed, before = _Heed(), {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler not in (None, signal.SIG_IGN):
            signal.signal(number, heed)
    try:
        yield
    finally:
        for number, handler in before.items():
            # Ranks of MPI have put handlers of their own in its place.
            if heed.came is None and signal.getsignal(number) is heed:
                signal.signal(number, handler)


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """Put a first signal off until the end of a block, which must not stop half-way; a second one is not put off.

    Raises:
        Interrupted: at the end, if there was one.
    """
    heed = signal.getsignal(signal.SIGTERM)
    if not isinstance(heed, _Heed) or heed.came is not None or heed.put_off:
        yield
        return
    heed.put_off = True
    try:
        yield
    finally:
        heed.put_off = False
    if heed.came is not None:
        raise Interrupted(heed.came)


class _Heed:
    """The handler of both signals.

    Attributes:
        came: the first signal.
        put_off: whether it is to wait.
    """

    def __init__(self) -> None:
        self.came: int | None = None
        self.put_off = False
        self._when = 0.0

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Raise, or end."""
        now = time.monotonic()
        if self.came is None:
            self.came, self._when = number, now
            if not self.put_off:
                raise Interrupted(number)
        elif now - self._when > SECONDS_TOGETHER:
            _end(number)


def _end(number: int) -> NoReturn:
    """End the process; its workers are killed by the system, since their server is gone."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        if sys.stdout.isatty():
            os.write(1, _SHOW_CURSOR)
        os.write(2, b"interrupted twice, ended at once\n")
    os._exit(128 + number)
