"""Terms cut to three grids, as the portable module says, in one pass over rows and limbs.

All rows of a chunk are added before the next chunk, so that its limbs stay in the second cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.compiled.chunks import CHUNK
from fedkd_compression.kernels.compiled.compiler import compiled, parallel
from fedkd_compression.kernels.portable.exact import BOUND, SHIFTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Counts, Floats

    Doubles = NDArray[np.float64]

_COARSE, _MIDDLE, _FINE = SHIFTS


@compiled
def _added(x: Floats, weight: float, coarse: Doubles, middle: Doubles, fine: Doubles) -> int:
    left_out = 0
    for j in range(x.size):
        term = np.float64(x[j]) * weight
        # Counted and set to 0, not branched on: so the loop vectorises.
        fits = abs(term) <= BOUND
        left_out += int(not fits)
        rest = term if fits else 0.0
        piece = (rest + _COARSE) - _COARSE
        coarse[j] += piece
        rest -= piece
        piece = (rest + _MIDDLE) - _MIDDLE
        middle[j] += piece
        rest -= piece
        fine[j] += (rest + _FINE) - _FINE
    return left_out


@compiled
def _exact_add(first: int, last: int, rows: Floats, weights: Doubles, limbs: Doubles, left_out: Counts) -> None:
    for item in range(first, last):
        start, stop = item * CHUNK, min(rows.shape[1], (item + 1) * CHUNK)
        coarse, middle, fine = limbs[0, start:stop], limbs[1, start:stop], limbs[2, start:stop]
        for i in range(rows.shape[0]):
            left_out[item] += _added(rows[i, start:stop], weights[i], coarse, middle, fine)


def exact_add(rows: Floats, weights: Doubles, limbs: Doubles) -> int:
    """Add weights [n] times rows [n, d] to limbs [3, d], in place; how many terms were left out."""
    chunks = -(-rows.shape[1] // CHUNK)
    left_out = np.zeros(chunks, np.int64)
    parallel(_exact_add, chunks, rows.size, rows, weights, limbs, left_out)
    return int(left_out.sum())
