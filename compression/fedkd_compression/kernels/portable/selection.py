"""The positions of the largest entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fedkd_compression.arrays import Counts, Unsigned


def largest(magnitudes: Unsigned, count: int) -> Counts:
    """Increasing positions of the ``count`` largest of [d], int64 [count]; of equal ones the first."""
    dim = len(magnitudes)
    if count == 0 or count == dim:
        return np.arange(count, dtype=np.int64)
    threshold = np.partition(magnitudes, dim - count)[dim - count]
    above = np.flatnonzero(magnitudes > threshold)
    level = np.flatnonzero(magnitudes == threshold)[: count - len(above)]
    return np.sort(np.concatenate((above, level))).astype(np.int64, copy=False)
