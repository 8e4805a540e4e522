"""Terms cut to three fixed grids, so that additions are exact and a sum does not depend on their order.

Letters: t a term, r what is left of it, q a piece, u a unit, s a shift, k = 1, 2, 3 the grids. From r = t, |t| <= 2^32,

    q_k = (r + s_k) - s_k,  s_k = 1.5 2^52 u_k;   r <- r - q_k;   u_1 = 2^-3, u_2 = 2^-38, u_3 = 2^-73;

limb k adds q_k. Why nothing is rounded but on purpose:

- r + s_k lies between 2^52 u_k and 2^53 u_k, for |r| < 2^51 u_k; floats there are the multiples of u_k. So q_k is the
  multiple nearest to r (of two, s_k + q_k is the one that is even in units; s_k is even, so -r is cut to -q_k).
- r - q_k is exact. If the spacing e of floats at r is u_k or more, r = q_k. Otherwise it is a multiple of e, and no
  larger than r, for 0 is a multiple of u_k, too: so it is a float.
- r is at most 2^32 = 2^35 u_1, then u_1/2 = 2^34 u_2, then u_2/2 = 2^34 u_3: each below 2^51 u_k.
- A limb is u_k times a sum of at most 2^18 whole numbers of at most 2^35: below 2^53 or equal at every step, so exact.

What is left at last, at most u_3/2 = 2^-74 of each term, is dropped: it depends on the term alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Floats

BOUND = 2.0**32
"""The largest term."""
MOST = 1 << 18
"""The most terms."""
UNITS = (2.0**-3, 2.0**-38, 2.0**-73)
LARGEST = (1 << 35, 1 << 34, 1 << 34)
"""The largest piece of each grid, in its units."""
SHIFTS = (1.5 * 2.0**49, 1.5 * 2.0**14, 1.5 * 2.0**-21)


def exact_add(rows: Floats, weights: NDArray[np.float64], limbs: NDArray[np.float64]) -> int:
    """Add the terms weights [n] times rows [n, d], each rounded once in float64, to limbs [3, d], in place.

    Terms beyond the bound, and those that are not finite, are left out; the result is how many.
    """
    left_out = 0
    for row, weight in zip(rows, weights, strict=True):
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            term = row.astype(np.float64) * weight
            fits = np.abs(term) <= BOUND
        left_out += fits.size - int(np.count_nonzero(fits))
        rest = np.where(fits, term, 0.0)
        for limb, shift in zip(limbs, SHIFTS, strict=True):
            piece = (rest + shift) - shift
            limb += piece
            rest -= piece
    return left_out


def exact_total(rows: Sequence[Floats], weights: NDArray[np.float64], out: NDArray[np.float64]) -> int:
    """Into ``out`` [d] the exact sum of weights [n] times rows, n of [d] and one dtype; how many terms were left out.

    The limbs are added from the coarsest.
    """
    limbs = np.zeros((3, len(out)))
    left_out = sum(exact_add(row[None], weights[i : i + 1], limbs) for i, row in enumerate(rows))
    out[:] = (limbs[0] + limbs[1]) + limbs[2]
    return left_out
