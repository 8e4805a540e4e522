"""Reductions over rows in a fixed order: 64 lanes, then a tree over the lanes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Floats

LANES = 64


def squares(rows: Floats) -> NDArray[np.float64]:
    """Sum of squares of every row [n, d], float64 [n]; coordinate j is added in lane j mod 64."""
    count, dim = rows.shape
    lanes = np.zeros((count, LANES))
    for start in range(0, dim, LANES):
        part = rows[:, start : start + LANES].astype(np.float64)
        with np.errstate(over="ignore", under="ignore"):
            lanes[:, : part.shape[1]] += part * part
    width = LANES
    while width > 1:
        width //= 2
        lanes = lanes[:, :width] + lanes[:, width : 2 * width]
    return lanes[:, 0]


def peaks(rows: Floats) -> NDArray[np.float64]:
    """Largest absolute value of every row [n, d], float64 [n]; 0 when d = 0."""
    largest: NDArray[np.float64] = np.abs(rows).max(axis=1, initial=0).astype(np.float64)
    return largest


def all_finite(rows: Floats) -> bool:
    """Whether no value [n, d] is NaN or infinite."""
    return bool(np.isfinite(rows).all())
