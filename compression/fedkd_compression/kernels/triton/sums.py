"""Sums of products: one program a chunk, so that its lanes add in the portable module's order at one launch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton.language as tl

from fedkd_compression.kernels.portable.reductions import CHUNK, LANES
from fedkd_compression.kernels.tensors.reductions import folded
from fedkd_compression.kernels.triton.launch import compiled, launch

if TYPE_CHECKING:
    from torch import Tensor

_LANES = tl.constexpr(LANES)


@compiled
def _dots(a: tl.tensor, b: tl.tensor, lanes: tl.tensor, dim: tl.tensor, blocks: tl.tensor, block: tl.constexpr) -> None:
    program = tl.program_id(0).to(tl.int64)
    start = (program % blocks) * block
    lane = tl.arange(0, _LANES)
    total = tl.zeros((_LANES,), tl.float64)
    # Loads of several steps are under way together; the additions keep their order.
    for step in tl.range(0, block, _LANES, loop_unroll_factor=8):
        at = start + step + lane
        x = tl.load(a + program // blocks * dim + at, mask=at < dim, other=0).to(tl.float64)
        y = tl.load(b + program // blocks * dim + at, mask=at < dim, other=0).to(tl.float64)
        total += x * y
    tl.store(lanes + program * _LANES + lane, total)


def dots(a: Tensor, b: Tensor) -> Tensor:
    """Sum of a_j b_j of every pair of rows [n, d], float64 [n]."""
    count, dim = a.shape
    lanes = torch.empty(count, -(-dim // CHUNK), LANES, device=a.device, dtype=torch.float64)
    # A row that is no chunk takes fewer steps; each power of two of them is compiled by itself.
    launch(_dots, a, b.contiguous(), lanes, block=min(CHUNK, max(LANES, 1 << (dim - 1).bit_length())))
    return folded(folded(lanes))


def squares(rows: Tensor) -> Tensor:
    """Sum of squares of every row [n, d], float64 [n]."""
    return dots(rows, rows)
