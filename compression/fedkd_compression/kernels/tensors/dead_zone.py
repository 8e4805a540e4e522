"""The uniform quantiser with a dead zone, in tensor operations; see the portable module for the equations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd_compression.kernels.portable.reductions import LANES
from fedkd_compression.kernels.tensors.reductions import chunked, folded

if TYPE_CHECKING:
    from torch import Tensor


def dead_zone_encode(rows: Tensor, steps: Tensor, threshold: float, cells: int, narrow: bool) -> tuple[Tensor, Tensor]:
    """Symbols [n, d], int8 if ``narrow`` or int32, and the offsets of the cells, float64 [n, cells]."""
    spacing = steps[:, None]
    t = rows.abs() / spacing.where(spacing > 0, 1)
    q = (t + t.new_tensor(1 - threshold)).floor_().masked_fill_(spacing == 0, 0)
    symbols = q.where(rows >= 0, -q).to(torch.int8 if narrow else torch.int32)
    return symbols, _means(t.double() - q, q.clamp(max=cells).to(torch.int32), cells)


def _means(rest: Tensor, cell: Tensor, cells: int) -> Tensor:
    """Mean of the rest over the coordinates of each cell 1 .. cells, or 0; float64 [n, cells]."""
    rests, owners = chunked(rest), chunked(cell)
    wanted = torch.arange(1, cells + 1, dtype=cell.dtype, device=cell.device)[:, None, None]
    lanes = rest.new_zeros(len(rest), cells, rests.shape[1], LANES)
    members = torch.zeros_like(lanes)
    for part, owner in zip(rests.unbind(2), owners.unbind(2), strict=True):
        own = owner[:, None] == wanted
        lanes += part[:, None].where(own, 0)
        members += own
    return folded(folded(lanes)) / folded(folded(members)).clamp(min=1)


def dead_zone_decode(symbols: Tensor, steps: Tensor, offsets: Tensor) -> Tensor:
    """sign(q) (|q| + offset of its cell) step in the dtype of steps [n], 0 for q = 0."""
    cells = offsets.shape[1]
    shifts = torch.cat((steps.new_zeros(len(steps), 1), offsets.to(steps.dtype)), 1)
    size = symbols.to(steps.dtype).abs_()
    shift = shifts.gather(1, symbols.to(torch.int64).clamp_(-cells, cells).abs_())
    value = size.add_(shift).mul_(steps[:, None])
    return value.where(symbols >= 0, -value)
