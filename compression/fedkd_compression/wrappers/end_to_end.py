"""Codes of several rows laid end to end as the code of one, and taken apart again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd_compression.code import Code
from fedkd_compression.errors import WireError

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.operators.base import Part


def joined(code: Code, count: int, part: Part) -> Code:
    """The code [n count, ..] of rows of ``part.dim`` as the code of n rows, ``count`` of them end to end.

    Args:
        code: of n count rows.
        count: how many rows become one.
        part: the operator that made the code, and its rows' keys and dimension.
    """
    flat = code.map(lambda values: values.reshape(len(values) // count, count * values.shape[1]))
    positions = flat.positions
    if positions is not None:
        positions = positions + _starts(count, _length(part, len(positions) * count), positions)
    children = tuple(joined(child, count, own) for child, own in zip(code.children, _below(part), strict=True))
    return Code(flat.symbols, positions, flat.values, flat.side, children)


def parted(code: Code, count: int, part: Part) -> Code:
    """The inverse of ``joined``.

    Raises:
        WireError: a part's size is no multiple of ``count``, or a position lies outside its row.
    """
    symbols, positions, values, side = (None if own is None else _parted(own, count) for own in code.parts())
    if positions is not None:
        length = _length(part, len(positions))
        positions = positions - _starts(count, length, code.positions).reshape(-1, positions.shape[1])
        if positions.numel() and not 0 <= int(positions.min()) <= int(positions.max()) < length:
            raise WireError(f"frame: a position lies outside its row of {length}")
    if len(code.children) != len(inner := _below(part)):
        raise WireError(f"frame: {len(code.children)} children where {len(inner)} are needed")
    children = tuple(parted(child, count, own) for child, own in zip(code.children, inner, strict=True))
    return Code(symbols, positions, values, side, children)


def _parted(values: Tensor, count: int) -> Tensor:
    if values.shape[1] % count:
        raise WireError(f"frame: {values.shape[1]} entries are no multiple of the {count} rows that they are of")
    return values.reshape(len(values) * count, values.shape[1] // count)


def _starts(count: int, length: int, positions: Tensor | None) -> Tensor:
    """Where the row of each position starts, int64 [n, count k]."""
    if positions is None:
        return torch.empty(0, dtype=torch.int64)
    each = torch.arange(count, device=positions.device) * length
    return each.repeat_interleave(positions.shape[1] // count).expand(len(positions), -1)


def _length(part: Part, rows: int) -> int:
    """Coordinates of one of the rows that the code has: they may themselves be several of the part's, end to end."""
    return part.dim * len(part.key.rows) // rows


def _below(part: Part) -> tuple[Part, ...]:
    return part.operator.children(part.key, part.dim)
