"""Versions that clients hold, and what stale ones are sent: ``fedkd.algorithms.downlinks`` for many runs at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]
    Flags = NDArray[np.bool_]


class Versions:
    """For S seeds and N clients.

    Args:
        full: bytes of the message that carries a whole vector.
        budget: bytes of history beyond which sending the vector itself is shorter.

    Attributes:
        now: the newest version [S].
        seen: the version that every client holds [N, S].
    """

    def __init__(self, clients: int, seeds: int, full: int, budget: int) -> None:
        self.now, self.seen = np.zeros(seeds, np.int64), np.zeros((clients, seeds), np.int64)
        self._full, self._budget = full, budget
        self._oldest, self._ends = np.zeros(seeds, np.int64), np.zeros((seeds, 256), np.int64)

    def restart(self, which: Numbers) -> None:
        """A version that nothing leads to: it was sent in full."""
        self.now[which] += 1
        self._oldest[which] = self.now[which]

    def add(self, which: Numbers, lengths: Numbers) -> None:
        """One more version, to which messages of these bytes lead."""
        if self.now.max(initial=0) + 2 > self._ends.shape[1]:
            self._ends = np.concatenate([self._ends, np.zeros_like(self._ends)], axis=1)
        before = self._ends[which, self.now[which]]
        self.now[which] += 1
        self._ends[which, self.now[which]] = before + lengths
        over = self._held(which) > self._budget
        while over.any():
            self._oldest[which[over]] += 1
            over = self._held(which) > self._budget

    def catch_up(self, active: Flags, target: Numbers) -> Numbers:
        """Bytes sent to stale clients alone [S], so that the active ones [N, S] reach the target [S]."""
        stale = active & (self.seen < target)
        if not stale.any():
            return np.zeros(len(target), np.int64)
        seeds = np.arange(len(target))
        missed = self._ends[seeds, target] - self._ends[seeds, self.seen]
        known = (self.seen >= self._oldest) & (missed < self._full)
        total: Numbers = (stale * np.where(known, missed, self._full)).sum(axis=0)
        return total

    def arrive(self, active: Flags) -> None:
        """The active clients hold the newest version."""
        self.seen = np.where(active, self.now, self.seen)

    def _held(self, which: Numbers) -> Numbers:
        held: Numbers = self._ends[which, self.now[which]] - self._ends[which, self._oldest[which]]
        return held
