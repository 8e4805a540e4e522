"""What operators require of a code that came over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedkd_compression.errors import WireError

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.code import Code


def expect_symbols(code: Code, count: int) -> Tensor:
    """The symbols [n, count], or WireError."""
    return _expect(code.symbols, count, "symbols")


def expect_positions(code: Code, count: int, dim: int) -> Tensor:
    """The positions [n, count], all below dim, or WireError."""
    positions = _expect(code.positions, count, "positions")
    # They increase, so the last is the largest. An index out of range would end a GPU's process.
    if positions.numel() and int(positions[:, -1].max()) >= dim:
        raise WireError(f"frame: a position is not below dim={dim}")
    return positions


def expect_values(code: Code, count: int) -> Tensor:
    """The values [n, count], or WireError."""
    return _expect(code.values, count, "values")


def expect_side(code: Code, count: int) -> Tensor:
    """The side information [n, count], or WireError."""
    return _expect(code.side, count, "side")


def _expect(part: Tensor | None, count: int, name: str) -> Tensor:
    if part is None or part.shape[1] != count:
        found = "none" if part is None else part.shape[1]
        raise WireError(f"frame: {found} {name} where {count} are needed")
    return part


def expect_children(code: Code, count: int) -> tuple[Code, ...]:
    """The children, ``count`` of them, or WireError."""
    if len(code.children) != count:
        raise WireError(f"frame: {len(code.children)} children where {count} are needed")
    return code.children
