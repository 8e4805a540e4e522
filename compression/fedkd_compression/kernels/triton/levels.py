"""Random rounding to levels in one pass over the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton.language as tl

from fedkd_compression.kernels.rows import NARROW
from fedkd_compression.kernels.triton.arithmetic import divided, hashed, place, uniform
from fedkd_compression.kernels.triton.launch import compiled, launch, streams

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.arrays import Keys


@compiled
def _encode(
    rows: tl.tensor,
    norms: tl.tensor,
    keys: tl.tensor,
    symbols: tl.tensor,
    scales: tl.tensor,
    dim: tl.tensor,
    blocks: tl.tensor,
    block: tl.constexpr,
) -> None:
    row, at, there = place(dim, blocks, block)
    x = tl.load(rows + row * dim + at, mask=there, other=0)
    norm, scale = tl.load(norms + row), tl.load(scales + row)
    u = uniform(hashed(tl.load(keys + row), at)).to(x.dtype)
    ratio = divided(tl.abs(x), tl.where(norm > 0, norm, scale)) * scale
    whole = tl.floor(ratio)
    q = whole.to(tl.int32) + (u < ratio - whole).to(tl.int32)
    tl.store(symbols + row * dim + at, tl.where(x < 0, -q, q).to(symbols.dtype.element_ty), mask=there)


@compiled
def _decode(
    symbols: tl.tensor,
    norms: tl.tensor,
    received: tl.tensor,
    scales: tl.tensor,
    dim: tl.tensor,
    blocks: tl.tensor,
    block: tl.constexpr,
) -> None:
    row, at, there = place(dim, blocks, block)
    norm = tl.load(norms + row)
    q = tl.load(symbols + row * dim + at, mask=there, other=0).to(norm.dtype)
    tl.store(received + row * dim + at, divided(q, tl.load(scales + row)) * norm, mask=there)


def levels_encode(rows: Tensor, norms: Tensor, levels: int, keys: Keys) -> Tensor:
    """Symbols [n, d], int8 where ``levels`` fit, or int32."""
    symbols = torch.empty(rows.shape, device=rows.device, dtype=torch.int8 if levels < NARROW else torch.int32)
    launch(_encode, rows, norms, streams(keys, rows), symbols, torch.full_like(norms, levels))
    return symbols


def levels_decode(symbols: Tensor, norms: Tensor, levels: int) -> Tensor:
    """(q / levels) norm, in the dtype of norms [n]."""
    received = torch.empty(symbols.shape, device=symbols.device, dtype=norms.dtype)
    launch(_decode, symbols, norms, received, torch.full_like(norms, levels))
    return received
