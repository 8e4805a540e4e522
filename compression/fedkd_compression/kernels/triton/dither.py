"""Subtractive dither in one pass over the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton.language as tl

from fedkd_compression.kernels.triton.arithmetic import dithered, divided, hashed, place, rounded
from fedkd_compression.kernels.triton.launch import compiled, launch, streams

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.arrays import Keys


@compiled
def _encode(
    rows: tl.tensor,
    steps: tl.tensor,
    keys: tl.tensor,
    symbols: tl.tensor,
    received: tl.tensor,
    dim: tl.tensor,
    blocks: tl.tensor,
    block: tl.constexpr,
) -> None:
    row, at, there = place(dim, blocks, block)
    x = tl.load(rows + row * dim + at, mask=there, other=0)
    step = tl.load(steps + row)
    u = dithered(hashed(tl.load(keys + row), at)).to(x.dtype)
    q = rounded(divided(x, tl.where(step > 0, step, 1.0)) + u)
    q = tl.where(step == 0, 0.0, q)
    tl.store(symbols + row * dim + at, q.to(tl.int32).to(symbols.dtype.element_ty), mask=there)
    tl.store(received + row * dim + at, (q - u) * step, mask=there)


@compiled
def _decode(
    symbols: tl.tensor,
    steps: tl.tensor,
    keys: tl.tensor,
    received: tl.tensor,
    dim: tl.tensor,
    blocks: tl.tensor,
    block: tl.constexpr,
) -> None:
    row, at, there = place(dim, blocks, block)
    step = tl.load(steps + row)
    q = tl.load(symbols + row * dim + at, mask=there, other=0).to(step.dtype)
    u = dithered(hashed(tl.load(keys + row), at)).to(step.dtype)
    tl.store(received + row * dim + at, (q - u) * step, mask=there)


def dither_encode(rows: Tensor, steps: Tensor, keys: Keys, narrow: bool) -> tuple[Tensor, Tensor]:
    """Symbols [n, d], int8 if ``narrow`` or int32, and the rows that they decode to."""
    symbols = torch.empty(rows.shape, device=rows.device, dtype=torch.int8 if narrow else torch.int32)
    received = torch.empty(rows.shape, device=rows.device, dtype=rows.dtype)
    launch(_encode, rows, steps, streams(keys, rows), symbols, received)
    return symbols, received


def dither_decode(symbols: Tensor, steps: Tensor, keys: Keys) -> Tensor:
    """(q - u) step, in the dtype of steps [n]."""
    received = torch.empty(symbols.shape, device=symbols.device, dtype=steps.dtype)
    launch(_decode, symbols, steps, streams(keys, symbols), received)
    return received
