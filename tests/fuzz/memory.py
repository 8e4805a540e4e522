"""How much memory bytes may make a receiver take: the declared cap, and its measurement."""

import resource
import tracemalloc
from pathlib import Path

CONSTANT = 1 << 20
"""Bytes beside the entries: blocks that operators pad to (``body.most``), tables of the coder, Python's objects."""
ENTRY = 8
FACTOR = 4
"""A frame has up to four parts, and each is read before it becomes rows."""

_STATUS, _PEAK = Path("/proc/self/status"), b"VmHWM:"


def declared(dim: int) -> int:
    """The cap in bytes: an entry of 8 bytes for each coordinate, and a constant."""
    return ENTRY * dim + CONSTANT


def bound(dim: int) -> int:
    """The most that decoding any bytes may take: four times the declared cap."""
    return FACTOR * declared(dim)


def resident() -> int:
    """The largest resident set of this process so far, in bytes; torch's memory is in it."""
    try:
        status = _STATUS.read_bytes()
    except OSError:
        # Elsewhere than on Linux. There, this number would start with that of the process that started this one.
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = status.index(_PEAK) + len(_PEAK)
    return 1024 * int(status[start : status.index(b"kB", start)])


def traced(run) -> int:
    """The peak of what Python and NumPy allocate while ``run`` runs, in bytes."""
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        run()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
