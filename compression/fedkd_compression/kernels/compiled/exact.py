"""Terms cut to three grids, as the portable module says, in one pass over rows and limbs.

All rows of a chunk are added before the next chunk, so that its limbs stay in the second cache; where only the total is
wanted, limbs are those of a tile, in the first cache, and never in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.compiled.chunks import CHUNK, TILE
from fedkd_compression.kernels.compiled.compiler import compiled, parallel
from fedkd_compression.kernels.compiled.lent import addresses, lent
from fedkd_compression.kernels.compiled.reductions import peak
from fedkd_compression.kernels.portable.exact import BOUND, SHIFTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Counts, Floats, Keys, Unsigned

    Doubles = NDArray[np.float64]

_COARSE, _MIDDLE, _FINE = SHIFTS
_NEAR = 2.0**13
"""The most that absolute terms may add up to if the coarse grid is to be left out."""


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


@compiled
def _added_near(x: Floats, weight: float, middle: Doubles, fine: Doubles) -> None:
    """Near terms, cut to the middle grid and the fine one.

    Their pieces of the middle grid are those of the coarse and the middle one together: both cut to the same multiple
    of 2^-38, ties included. As long as absolute terms add up to 2^13, so do these pieces, exactly, for 2^13 is 2^51
    units: the sum is that of both limbs, which ``total`` would have rounded to itself.
    """
    for j in range(x.size):
        term = np.float64(x[j]) * weight
        piece = (term + _MIDDLE) - _MIDDLE
        middle[j] += piece
        rest = term - piece
        fine[j] += (rest + _FINE) - _FINE


@compiled
def _reach(at: Keys, size: int, weights: Doubles, floats: Floats, words: Unsigned) -> float:
    """A bound on the sum of the absolute terms of every coordinate of a tile."""
    most, total = np.empty(1, words.dtype), 0.0
    for i in range(at.size):
        most[0] = peak(lent(at[i], size, words))
        total += abs(np.float64(most.view(floats.dtype)[0]) * weights[i])
    return total


@compiled
def _total_near(at: Keys, weights: Doubles, floats: Floats, limbs: Doubles, total: Doubles) -> None:
    """The total of a tile whose terms are near; ``at`` is where its rows are."""
    middle, fine = limbs[1, : total.size], limbs[2, : total.size]
    for i in range(at.size):
        _added_near(lent(at[i], total.size, floats), weights[i], middle, fine)
    for j in range(total.size):
        total[j] = middle[j] + fine[j]


@compiled
def _total_any(at: Keys, weights: Doubles, floats: Floats, limbs: Doubles, total: Doubles) -> int:
    """The total of a tile; how many terms were left out."""
    coarse, middle, fine = limbs[0, : total.size], limbs[1, : total.size], limbs[2, : total.size]
    left_out = 0
    for i in range(at.size):
        left_out += _added(lent(at[i], total.size, floats), weights[i], coarse, middle, fine)
    for j in range(total.size):
        total[j] = (coarse[j] + middle[j]) + fine[j]
    return left_out


@compiled
def _totals(
    first: int,
    last: int,
    at: Keys,
    weights: Doubles,
    floats: Floats,
    words: Unsigned,
    out: Doubles,
    left_out: Counts,
) -> None:
    limbs = np.empty((3, TILE))
    for item in range(first, last):
        for start in range(item * CHUNK, min(out.size, (item + 1) * CHUNK), TILE):
            total, here = out[start : min(out.size, start + TILE)], at + np.uint64(start * floats.itemsize)
            limbs[:] = 0.0
            if _reach(here, total.size, weights, floats, words) <= _NEAR:
                _total_near(here, weights, floats, limbs, total)
            else:
                left_out[item] += _total_any(here, weights, floats, limbs, total)


def exact_total(rows: Sequence[Floats], weights: Doubles, out: Doubles) -> int:
    """Into ``out`` [d] the exact sum of weights [n] times rows, n of [d]; how many terms were left out."""
    chunks = -(-len(out) // CHUNK)
    left_out = np.zeros(chunks, np.int64)
    kind = rows[0].dtype if len(rows) else np.dtype(np.float32)
    alike = np.empty(0, kind), np.empty(0, np.uint32 if kind == np.float32 else np.uint64)
    parallel(_totals, chunks, len(rows) * len(out), addresses(rows), weights, *alike, out, left_out)
    return int(left_out.sum())
