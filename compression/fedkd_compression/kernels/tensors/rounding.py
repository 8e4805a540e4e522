"""Quantisers in tensor operations, one rounding each; see the portable module for the equations.

A divisor is always a tensor: by a Python number, CUDA multiplies with its rounded inverse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd_compression.kernels.rows import NARROW
from fedkd_compression.kernels.tensors.streams import dither, uniforms

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.arrays import Keys


def dither_encode(rows: Tensor, steps: Tensor, keys: Keys, narrow: bool) -> tuple[Tensor, Tensor]:
    """Symbols [n, d], int8 if ``narrow`` or int32, and the rows that they decode to."""
    drawn = dither(keys, rows.shape[1], rows.device).to(rows.dtype)
    spacing = steps[:, None]
    q = (rows / spacing.where(spacing > 0, 1)).add_(drawn).round_().masked_fill_(spacing == 0, 0)
    return q.to(torch.int8 if narrow else torch.int32), q.sub_(drawn).mul_(spacing)


def dither_decode(symbols: Tensor, steps: Tensor, keys: Keys) -> Tensor:
    """(q - u) step, in the dtype of steps [n]."""
    drawn = dither(keys, symbols.shape[1], symbols.device).to(steps.dtype)
    return (symbols.to(steps.dtype) - drawn).mul_(steps[:, None])


def levels_encode(rows: Tensor, norms: Tensor, levels: int, keys: Keys) -> Tensor:
    """Symbols [n, d], int8 where ``levels`` fit, or int32."""
    drawn, scale = uniforms(keys, rows.shape[1], rows.device).to(rows.dtype), norms[:, None]
    ratio = (rows.abs() / scale.where(scale > 0, levels)).mul_(levels)
    whole = ratio.floor()
    q = whole + (drawn < ratio.sub_(whole))
    return q.where(rows >= 0, -q).to(torch.int8 if levels < NARROW else torch.int32)


def levels_decode(symbols: Tensor, norms: Tensor, levels: int) -> Tensor:
    """(q / levels) norm, in the dtype of norms [n]."""
    return (symbols.to(norms.dtype) / torch.full_like(norms, levels)[:, None]).mul_(norms[:, None])
