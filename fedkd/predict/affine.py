"""A line a + b work with a, b >= 0 through many clients: relative least squares that bears outliers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ITERATIONS = 10
TINY = 1e-12

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """seconds = a + b work; the default orders by work, its seconds mean nothing."""

    a: float = 0.0
    b: float = 1.0

    def __call__(self, work: float) -> float:
        """Seconds at a work >= 0; positive."""
        return max(self.a + self.b * work, TINY)


def fit(work: Floats, seconds: Floats, weights: Floats) -> Line:
    """The line that minimises sum_i weight_i huber(log seconds_i - log(a + b work_i)) under a, b >= 0.

    Gauss-Newton: each step is least squares with weights / line^2. The logarithm makes errors relative: a client ten
    times as long counts no more than another. Huber's bound is three times the median error: one slow call moves the
    line no further than a moderate error does.

    Args:
        work: of each client [n], >= 0.
        seconds: that it took [n], > 0.
        weights: of it [n], > 0.

    Returns:
        The line: through zero where all works are equal, constant where there are none.
    """
    scale = float(work.mean())
    if scale < TINY:
        return Line(float(np.exp(np.median(np.log(seconds)))), 0.0)
    x = work / scale
    a, b = 0.0, float(np.median(seconds) / max(np.median(x), TINY))
    middle = len(x) // 2
    for _ in range(ITERATIONS):
        line = np.maximum(a + b * x, TINY)
        error = np.log(seconds / line)
        bound = min(3 * float(np.partition(np.abs(error), middle)[middle]) + 1e-3, 0.9)
        a, b = _least_squares(x, line * (1 + error.clip(-bound, bound)), weights / line**2)
    return Line(a, b / scale)


def _least_squares(x: Floats, y: Floats, weights: Floats) -> tuple[float, float]:
    """Weighted least squares of y = a + b x under a, b >= 0."""
    w, wx, wy = float(weights.sum()), float(weights @ x), float(weights @ y)
    wxx, wxy = float(weights @ (x * x)), float(weights @ (x * y))
    determinant = w * wxx - wx * wx
    if determinant <= 1e-9 * w * wxx:
        return 0.0, wxy / wxx
    a, b = (wxx * wy - wx * wxy) / determinant, (w * wxy - wx * wy) / determinant
    if a < 0:
        return 0.0, wxy / wxx
    return (wy / w, 0.0) if b < 0 else (a, b)
