"""The fast Walsh-Hadamard transform in tensor operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def hadamard(rows: Tensor, block: int) -> Tensor:
    """Every block of consecutive coordinates of rows [n, d] through the matrix of signs, as new rows."""
    out, h = rows.clone(), 1
    while h < block:
        low, high = out.view(-1, 2, h).unbind(1) if out.numel() else (out, out)
        out = torch.stack((low + high, low - high), 1).view(rows.shape)
        h *= 2
    return out
