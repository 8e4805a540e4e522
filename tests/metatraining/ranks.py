"""Several ranks in one process, each a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fedkd.metatraining.exchange import Exchange

T = TypeVar("T")
PATIENCE = 60.0
"""Seconds after which a rank that waits alone gives up."""


class Threads:
    """One of them.

    Args:
        rank: its number.
        board: where all put what they tell.
        barrier: of all.
    """

    def __init__(self, rank: int, board: list[NDArray[np.uint8]], barrier: Barrier) -> None:
        self.rank, self.size = rank, len(board)
        self._board, self._barrier = board, barrier

    def gathered(self, data: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        self._board[self.rank] = data
        self._barrier.wait()
        told = [part.copy() for part in self._board]
        self._barrier.wait()
        return told

    def meet(self) -> None:
        self._barrier.wait()


def together(size: int, work: Callable[[Exchange], T]) -> list[T]:
    """What every rank's work gives; one that fails lets the others go."""
    barrier = Barrier(size, timeout=PATIENCE)
    board = [np.empty(0, np.uint8)] * size

    def rank(number: int) -> T:
        try:
            return work(Threads(number, board, barrier))
        except BaseException:
            barrier.abort()
            raise

    with ThreadPoolExecutor(size) as threads:
        return [future.result() for future in [threads.submit(rank, number) for number in range(size)]]
