"""Work of the server on all its cores: between two exchanges nobody else needs them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def abreast(work: Callable[[Item], Result], items: Sequence[Item], threads: int) -> Iterator[Result]:
    """The results of work on items, in their order, done by so many threads, which are worth a millisecond.

    The threads end with the last result, for this process may be forked again. Of several errors the first is raised.
    """
    if min(threads, len(items)) < 2:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(min(threads, len(items))) as pool:
        asked = [pool.submit(copy_context().run, work, item) for item in items]
        for future in asked:
            yield future.result()
