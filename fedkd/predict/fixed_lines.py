"""The best fixed line in hindsight, beside which learned durations are judged."""

from __future__ import annotations

import math

import numpy as np

from fedkd.predict.regret import Regret

SLOPES = (1.0, 0.9, 0.75, 0.5, 0.25, 0.1, 0.0)
REACH, WIDTH, BINS = 4.0, 0.02, 400
"""Levels in nats: as far from the first observation, as far apart, so many of them less one."""


class FixedLines:
    """Adds up U_t = |log seconds - log predicted| of predictions and of 7 x 399 fixed rules: constant memory and time.

    The rules are exp(level) (1 - slope + slope work / work_1): one line for all clients and workers, from proportional
    to constant. For a slope the sum over t of |z_t - level| is piecewise linear in the level, z_t being what the slope
    leaves of log seconds: it follows from how many z lie below the level, and from their sum.
    """

    def __init__(self) -> None:
        self._counts = [[0] * BINS for _ in SLOPES]
        self._sums = [[0.0] * BINS for _ in SLOPES]
        self._count = 0
        self._surrogate = self._cost = 0.0
        self._first: tuple[float, float] | None = None

    def add(self, work: float, predicted: float, seconds: float) -> None:
        """Log one prediction and what came of it."""
        if self._first is None:
            self._first = max(work, 1.0), math.log(seconds)
        unit, level = self._first
        above = math.log(seconds) - level
        for slope, counts, sums in zip(SLOPES, self._counts, self._sums, strict=True):
            rest = above - math.log(max(1 + (work / unit - 1) * slope, 1e-9))
            place = min(max(int((rest + REACH) / WIDTH), 0), BINS - 1)
            counts[place] += 1
            sums[place] += rest
        self._count += 1
        self._surrogate += abs(math.log(seconds / predicted))
        self._cost += abs(seconds - predicted)

    def total(self) -> Regret:
        """The sums so far."""
        counts, sums = (np.cumsum(each, axis=-1) for each in (self._counts, self._sums))
        levels = np.arange(1, BINS) * WIDTH - REACH
        rules = levels * (2 * counts[:, :-1] - counts[:, -1:]) + sums[:, -1:] - 2 * sums[:, :-1]
        return Regret(self._count, self._surrogate, float(rules.min()), self._cost)
