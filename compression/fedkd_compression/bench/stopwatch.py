"""Times of works that are run in turn."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence


def in_turn(works: Sequence[Callable[[], object]], repeats: int, seconds: float) -> list[float]:
    """Seconds of the fastest run of each work.

    They run one after another, again and again, so that a busy moment of the machine meets all alike; the fastest run
    is what the code can do on a machine that others use, too. The first turn, which may compile, does not count.

    Args:
        works: what is timed.
        repeats: turns at most, >= 1.
        seconds: no further turn is begun after so many.
    """
    for work in works:
        work()
    best, began = [math.inf] * len(works), time.perf_counter()
    for _ in range(repeats):
        for i, work in enumerate(works):
            start = time.perf_counter()
            work()
            best[i] = min(best[i], time.perf_counter() - start)
        if time.perf_counter() - began > seconds:
            break
    return best
