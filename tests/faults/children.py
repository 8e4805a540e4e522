"""Processes that a process has started, as /proc tells of them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path


def forked(work: Callable[[], object]) -> int:
    """A server in a process and a group of its own, forked from this one, which has loaded everything."""
    server = os.fork()
    if server == 0:
        code: object = 1
        try:
            os.setsid()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            code = work()
        finally:
            os._exit(code if isinstance(code, int) else 0)
    return server


def children(parent: int) -> list[int]:
    """Those of a process that run the same program as it: forks of it, also ended ones that nobody waited for."""
    found = []
    for entry in os.listdir("/proc"):  # noqa: PTH208
        if entry.isdecimal() and _parent(int(entry)) == parent and _command(int(entry)) in (b"", _command(parent)):
            found.append(int(entry))
    return sorted(found)


def gone(processes: list[int], seconds: float) -> bool:
    """Whether all of them end within so many seconds."""
    end = time.monotonic() + seconds
    while any(map(_alive, processes)):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def _alive(process: int) -> bool:
    fields = _stat(process)
    return bool(fields) and fields[0] not in "ZX"


def _parent(process: int) -> int:
    return int((_stat(process) or ["", "0"])[1])


def _stat(process: int) -> list[str]:
    """State, parent and more; nothing of a process that is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _command(process: int) -> bytes:
    """Nothing of a process that has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""
