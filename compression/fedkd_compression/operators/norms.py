"""Norms of rows that neither overflow nor vanish."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression import kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Floats

_SAFE = (1e-280, 1e300)


def l2_norms(rows: Floats) -> NDArray[np.float64]:
    """Euclidean norm of every row [n, d], float64 [n], summed in a fixed order."""
    squares = kernels.backend().squares(rows)
    norms = np.sqrt(squares)
    # Of rows that are not zero, only float64 ones get here: their squares leave the range of float64.
    for i in np.flatnonzero((squares < _SAFE[0]) | (squares > _SAFE[1])):
        peak = kernels.backend().peaks(rows[i : i + 1])[0]
        if peak > 0:
            scale = 2.0 ** np.floor(np.log2(peak))
            norms[i] = scale * np.sqrt(kernels.backend().squares(rows[i : i + 1] / scale)[0])
    return norms
