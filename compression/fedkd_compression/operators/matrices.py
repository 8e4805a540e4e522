"""Rows as matrices, and the two products of low-rank operators in an order that every device keeps."""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING

import torch

from fedkd_compression import kernels

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.operators.base import Named


def sides(dim: int, height: int | None) -> tuple[int, int]:
    """Height and width of the matrix of a row: as square as can be when no height is given; at least 1 each."""
    tall = max(isqrt(dim), 1) if height is None else height
    return tall, max(-(-dim // tall), 1)


def height_of(tensors: tuple[Named, ...]) -> int | None:
    """The height of a row that is one tensor [a, b, c, ...], the matrix [a, b c ...]; None for every other row."""
    if len(tensors) != 1 or len(tensors[0].shape) < 2:
        return None
    return tensors[0].shape[0] or None


def matrices(rows: Tensor, height: int | None) -> Tensor:
    """Rows [n, d] as matrices [n, height, width], with zeros after the last coordinate."""
    count, dim = rows.shape
    tall, wide = sides(dim, height)
    return torch.nn.functional.pad(rows, (0, tall * wide - dim)).reshape(count, tall, wide)


def times(left: Tensor, columns: Tensor) -> Tensor:
    """Left [n, a, b] times columns [n, b, r] of the same dtype, float64 [n, a, r], summed in the order of ``dots``."""
    count, tall, wide = left.shape
    run, rows = kernels.on(left.device), left.reshape(count * tall, wide).contiguous()
    products = [
        run.dots(rows, column[:, None].expand(left.shape).reshape(rows.shape).contiguous())
        for column in columns.unbind(2)
    ]
    return torch.stack(products, 1).reshape(count, tall, columns.shape[2])


def outer(left: Tensor, right: Tensor, dim: int) -> Tensor:
    """The first dim coordinates of left [n, a, r] times the transpose of right [n, b, r]: float64 [n, dim].

    The r products are added one after another, each rounded: no device may fuse them.
    """
    total = left.new_zeros(len(left), left.shape[1], right.shape[1], dtype=torch.float64)
    product = torch.empty_like(total)
    for one, other in zip(left.double().unbind(2), right.double().unbind(2), strict=True):
        total += torch.mul(one[:, :, None], other[:, None], out=product)
    return total.reshape(len(left), -1)[:, :dim].contiguous()
