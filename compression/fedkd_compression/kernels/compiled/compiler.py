"""How kernels are compiled, and how large inputs are spread over threads.

Kernels are compiled at their first call, without Python objects and without Python's lock, and kept on disk for the
next process: beside the package, or in the user's cache where that cannot be written, or in NUMBA_CACHE_DIR.

A large input is shared among threads of our own. numba's do not serve: one of its layers stops the process when two
Python threads enter it at once, another when the process was forked. Here any number of Python threads may call, and a
forked process starts threads of its own when it first needs them. Their number is torch's (``torch.set_num_threads``,
OMP_NUM_THREADS), so that workers told to use one thread use one; ``use_threads`` overrides it. Results never depend on
it: the work is cut into the same items for any number.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TypeVar, cast

import torch
from numba import njit

from fedkd_compression.kernels.compiled.notice import Notice

Function = TypeVar("Function", bound=Callable[..., object])

SMALL = 1 << 19
"""Inputs of fewer elements are done by the calling thread: to wake another takes as long as 100,000 of them."""
_PIECES = 4
"""Ranges a thread, so that one that is held up does not hold up the call."""

_chosen: ContextVar[int | None] = ContextVar("fedkd_compression_threads", default=None)

_notice = Notice("fedkd_compression", "fedkd_compression: compiling its kernels")


def compiled(function: Function) -> Function:
    """Compile at the first call, for the types of its arguments."""
    try:
        return cast(Function, njit(cache=True, nogil=True)(function))
    except RuntimeError:
        # No folder for the cache can be written.
        _notice.without_cache()
        return cast(Function, njit(nogil=True)(function))


def threads() -> int:
    """How many threads a call uses: those of ``use_threads``, or else as many as torch."""
    return _chosen.get() or torch.get_num_threads()


@contextmanager
def use_threads(count: int) -> Iterator[None]:
    """Use this many threads inside a ``with`` block, whatever torch uses."""
    token = _chosen.set(max(1, count))
    try:
        yield
    finally:
        _chosen.reset(token)


def parallel(kernel: Callable[..., object], items: int, size: int, *arguments: object) -> None:
    """Call ``kernel(first, last, *arguments)`` on ranges that together are range(items), on several threads if large.

    Args:
        kernel: a compiled function; what it does for an item does not depend on what it does for others.
        items: independent pieces of work, about equal.
        size: elements of the input in all; fewer than 2^19 are done by the calling thread.
        arguments: the kernel's arguments after its range.

    Example:
        >>> @compiled
        ... def _double(first, last, rows, out):
        ...     for row in range(first, last):
        ...         for j in range(rows.shape[1]):
        ...             out[row, j] = 2 * rows[row, j]
        >>> parallel(_double, len(rows), rows.size, rows, out)
    """
    helpers = min(threads(), items) - 1 if size >= SMALL else 0
    if helpers < 1:
        kernel(0, items, *arguments)
        return
    pieces = min(items, _PIECES * (helpers + 1))
    cuts = [items * piece // pieces for piece in range(pieces + 1)]
    _Shared(kernel, arguments, cuts).run(helpers)


class _Shared:
    """A call's ranges, taken by the caller and by as many helpers as come while some are left."""

    def __init__(self, kernel: Callable[..., object], arguments: tuple[object, ...], cuts: list[int]) -> None:
        self._kernel, self._arguments = kernel, arguments
        self._ranges, self._count = deque(pairwise(cuts)), len(cuts) - 1
        self._ends: SimpleQueue[BaseException | None] = SimpleQueue()

    def run(self, helpers: int) -> None:
        _helpers.ask(self, helpers)
        self.help()
        errors = [self._ends.get() for _ in range(self._count)]
        for error in errors:
            if error is not None:
                raise error

    def help(self) -> None:
        while True:
            try:
                first, last = self._ranges.popleft()
            except IndexError:
                return
            error = None
            try:
                self._kernel(first, last, *self._arguments)
            except BaseException as raised:
                error = raised
            self._ends.put(error)


class _Helpers:
    """Threads that wait for the calls of all callers; started when asked for, and anew after a fork."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._lock, self._asked, self._started = Lock(), SimpleQueue[_Shared](), 0

    def ask(self, shared: _Shared, count: int) -> None:
        with self._lock:
            while self._started < count:
                Thread(target=_serve, args=(self._asked,), daemon=True, name="fedkd_compression").start()
                self._started += 1
        for _ in range(count):
            self._asked.put(shared)


def _serve(asked: SimpleQueue[_Shared]) -> None:
    while True:
        asked.get().help()


_helpers = _Helpers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helpers.forget)
