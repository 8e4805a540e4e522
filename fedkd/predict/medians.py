"""The least sum of distances to all outcomes seen, in memory that does not grow with them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROWS = 1024
"""Rows that are kept, four of them a group; full, they become three quarters as many."""


class Medians:
    """Answers min over x in a box of sum_t |x - y_t|_1, y_t [n] being the outcomes: x is their median, clipped.

    An exact median of any stream needs all of it (Munro and Paterson, 1980). Here two neighbours far from the median
    become one of double weight at their mean: for every x that is not between the two the sum stays the same, for the
    others it falls. So the answer is exact for 1,024 outcomes, afterwards as long as the median keeps to the middle
    512 of the rows, as it does where outcomes come in no order, and never too large.

    Memory: 16 x 1,024 n bytes. Time: a sort of the rows every 256 outcomes.
    """

    def __init__(self, dim: int) -> None:
        self.values: Floats = np.empty((0, dim))
        self.counts: Floats = np.empty((0, dim))
        self._waiting: list[Floats] = []

    def add(self, outcome: Floats) -> None:
        """One more outcome [n]; finite."""
        self._waiting.append(np.array(outcome, np.float64))
        if len(self.values) + len(self._waiting) >= ROWS:
            self._settle()
            self._merge()

    def least(self, low: Floats, high: Floats) -> float:
        """The least sum of distances over x in [low, high]^n."""
        self._settle()
        if not len(self.values):
            return 0.0
        columns = np.arange(self.values.shape[1])
        point = self.values[self._middle(), columns].clip(low, high)
        return float((self.counts * np.abs(self.values - point)).sum())

    def _settle(self) -> None:
        """Sort what waits into the rows."""
        if not self._waiting:
            return
        values = np.concatenate([self.values, self._waiting])
        counts = np.concatenate([self.counts, np.ones_like(self._waiting)])
        self._waiting = []
        order = np.argsort(values, axis=0, kind="stable")
        self.values, self.counts = np.take_along_axis(values, order, 0), np.take_along_axis(counts, order, 0)

    def _middle(self) -> NDArray[np.intp]:
        """The row [n] of each coordinate's median."""
        passed = np.cumsum(self.counts, axis=0)
        return np.asarray(np.argmax(2 * passed >= passed[-1], axis=0), np.intp)

    def _merge(self) -> None:
        """Of the pairs of neighbours, merge the half that lies farthest from the median."""
        pairs = len(self.values) // 2
        distance = np.abs(2 * np.arange(pairs)[:, None] + 0.5 - self._middle())
        far = np.argsort(-distance, axis=0, kind="stable")[: pairs // 2]
        first, second = (np.take_along_axis(self.values, 2 * far + place, 0) for place in (0, 1))
        weight, other = (np.take_along_axis(self.counts, 2 * far + place, 0) for place in (0, 1))
        np.put_along_axis(self.values, 2 * far, (weight * first + other * second) / (weight + other), 0)
        np.put_along_axis(self.counts, 2 * far, weight + other, 0)
        kept = np.ones(self.values.shape, bool)
        np.put_along_axis(kept, 2 * far + 1, False, 0)
        self.values, self.counts = _where(kept, self.values), _where(kept, self.counts)


def _where(kept: NDArray[np.bool_], rows: Floats) -> Floats:
    """What is kept of each column, as many numbers of each."""
    columns: Floats = np.transpose(rows)[np.transpose(kept)].reshape(rows.shape[1], -1)
    return columns.T.copy()
