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
        for i in torch.nonzero((squares < _SAFE[0]) | (squares > _SAFE[1]))[:, 0].tolist():
            norms[i] = _scaled_norm(rows[i : i + 1])
    return norms


def _scaled_norm(row: Tensor) -> Tensor:
    """The norm of a row whose squares overflow or vanish; 0 for a row of zeros."""
    exponent = int(torch.frexp(kernels.on(row.device).peaks(row))[1])
    norm = kernels.on(row.device).squares(_times_power(row, -exponent)).sqrt()
    return _times_power(norm, exponent)[0]


def _times_power(values: Tensor, exponent: int) -> Tensor:
    """Values times 2^exponent, in two steps, for one factor could be out of range."""
    half = exponent // 2
    return values * 2.0**half * 2.0 ** (exponent - half)
