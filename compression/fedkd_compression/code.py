"""What an operator makes of a batch of rows, before it becomes bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Code:
    """The parts of n encoded rows; every field is optional.

    Args:
        symbols: int32 (or int8) [n, m], small integers; entropy-coded.
        positions: int64 [n, k], strictly increasing in each row, in [0, dim); their gaps are Rice-coded.
        values: float16, float32 or float64 [n, v]; sent as they are, counted as body.
        side: float32 or float64 [n, s], scales and norms; sent as they are, counted as side information.
        children: codes of n rows, each coded by itself: one for each of ``Operator.children``.

    Example:
        >>> Code(symbols=torch.tensor([[1, 0, -1]], dtype=torch.int32), side=torch.tensor([[0.5]]))
    """

    symbols: Tensor | None = None
    positions: Tensor | None = None
    values: Tensor | None = None
    side: Tensor | None = None
    children: tuple[Code, ...] = ()

    def row(self, i: int) -> Code:
        """The code of row i alone, still with a leading dimension of one."""
        return self.map(lambda part: part[i : i + 1])

    def parts(self) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
        """Symbols, positions, values, side: in the order in which the constructor takes them."""
        return self.symbols, self.positions, self.values, self.side

    def map(self, change: Callable[[Tensor], Tensor]) -> Code:
        """The code whose every part, those of the children included, is changed."""
        symbols, positions, values, side = (None if part is None else change(part) for part in self.parts())
        return Code(symbols, positions, values, side, tuple(child.map(change) for child in self.children))
