"""Terms cut to three grids, as the portable module says; limbs and rows lie on one device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedkd_compression.kernels.portable.exact import BOUND, SHIFTS

if TYPE_CHECKING:
    from torch import Tensor


def exact_add(rows: Tensor, weights: Tensor, limbs: Tensor) -> int:
    """Add weights [n] times rows [n, d] to limbs [3, d], in place; how many terms were left out."""
    left_out = 0
    for row, weight in zip(rows.unbind(), weights.unbind(), strict=True):
        term = row.double() * weight
        fits = term.abs() <= BOUND
        left_out += int((~fits).sum())
        rest = term.where(fits, 0.0)
        for limb, shift in zip(limbs.unbind(), SHIFTS, strict=True):
            piece = (rest + shift) - shift
            limb += piece
            rest = rest - piece
    return left_out
