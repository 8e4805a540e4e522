"""What an operator makes of a batch of rows, before it becomes bytes."""

from __future__ import annotations

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

    Example:
        >>> Code(symbols=torch.tensor([[1, 0, -1]], dtype=torch.int32), side=torch.tensor([[0.5]]))
    """

    symbols: Tensor | None = None
    positions: Tensor | None = None
    values: Tensor | None = None
    side: Tensor | None = None

    def row(self, i: int) -> Code:
        """The code of row i alone, still with a leading dimension of one."""
        return Code(*(None if part is None else part[i : i + 1] for part in self.parts()))

    def parts(self) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
        """Symbols, positions, values, side: in the order in which the constructor takes them."""
        return self.symbols, self.positions, self.values, self.side
