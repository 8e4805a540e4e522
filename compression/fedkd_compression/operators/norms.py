"""Norms of rows that neither overflow nor vanish."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd_compression import kernels

if TYPE_CHECKING:
    from torch import Tensor

_SAFE = (1e-280, 1e300)


def l2_norms(rows: Tensor) -> Tensor:
    """Euclidean norm of every row [n, d], float64 [n], summed in a fixed order."""
    squares = kernels.on(rows.device).squares(rows)
    norms = squares.sqrt()
    if rows.dtype == torch.float64:
        # Only squares of float64 leave the range of float64.
        outside = torch.nonzero((squares < _SAFE[0]) | (squares > _SAFE[1]))[:, 0]
        if len(outside):
            norms[outside] = _scaled_norms(rows[outside])
    return norms


def _scaled_norms(rows: Tensor) -> Tensor:
    """The norms of rows whose squares overflow or vanish; 0 for a row of zeros."""
    exponents = torch.frexp(kernels.on(rows.device).peaks(rows))[1].tolist()
    near_one = _times_powers(rows, [-exponent for exponent in exponents])
    return _times_powers(kernels.on(rows.device).squares(near_one).sqrt()[:, None], exponents)[:, 0]


def _times_powers(rows: Tensor, exponents: list[int]) -> Tensor:
    """Each row times its 2^exponent, in two steps, for one factor could be out of range."""
    halves = [exponent // 2 for exponent in exponents]
    for part in (halves, [exponent - half for exponent, half in zip(exponents, halves, strict=True)]):
        # Powers of Python's are exact; a device's need not be.
        rows = rows * rows.new_tensor([2.0**exponent for exponent in part])[:, None]
    return rows
