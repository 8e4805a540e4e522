"""A process and all that it has started, as seen from outside: their memory and their CPU time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def descendants(pid: int) -> Iterator[int]:
    """Children, grandchildren and so on, without the process itself."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, _read(task).split()):
            yield child
            yield from descendants(child)


def memory(pid: int) -> float:
    """PSS of the descendants in MiB: a page that several of them share counts once."""
    lines = (line for child in descendants(pid) for line in _read(Path(f"/proc/{child}/smaps_rollup")).splitlines())
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def cpu(pid: int) -> float:
    """CPU seconds of the descendants so far, with those that have ended and were waited for."""
    ticks = 0
    for child in descendants(pid):
        after_name = _read(Path(f"/proc/{child}/stat")).rpartition(")")[2].split()
        ticks += sum(map(int, after_name[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _read(path: Path) -> str:
    """Nothing of a process that has just ended."""
    try:
        return path.read_text()
    except OSError:
        return ""
