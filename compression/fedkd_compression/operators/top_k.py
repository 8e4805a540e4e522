"""TopK: the largest coordinates, with their positions."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from fedkd_compression import kernels
from fedkd_compression.code import Code
from fedkd_compression.errors import OperatorError
from fedkd_compression.operators.base import Operator, Traits
from fedkd_compression.operators.checks import expect_positions, expect_values
from fedkd_compression.operators.sparse import spread

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key

_ROUNDING = 1e-9
"""Keeps 0.05 of 1000 at 50 where the product is 50.000000000000007."""


@dataclass(frozen=True)
class TopK(Operator):
    """Keep the k coordinates of largest absolute value; of equal ones the first.

    Contractive with delta = k/dim; biased, so it has no omega. The positions are sent, as Rice-coded gaps.

    Args:
        k: number of coordinates kept, in [1, dim]; None when ``fraction`` says it.
        fraction: share of the coordinates kept, in (0, 1], rounded up; None when ``k`` says it.

    Example:
        >>> TopK(fraction=0.05).delta(dim=1000)
        0.05
    """

    k: int | None = None
    fraction: float | None = None
    traits = Traits(anywhere=True)

    def __post_init__(self) -> None:
        if (self.k is None) == (self.fraction is None):
            raise OperatorError(f"TopK: k={self.k} and fraction={self.fraction}; give exactly one of them")
        if self.k is not None and self.k < 1:
            raise OperatorError(f"TopK: k={self.k} is below 1; choose k >= 1")
        if self.fraction is not None and not 0 < self.fraction <= 1:
            raise OperatorError(f"TopK: fraction={self.fraction} is outside (0, 1]; choose fraction = 0.05")

    def kept(self, key: Key | None, dim: int) -> int:
        """Number of coordinates kept of ``dim``."""
        return self.k if self.k is not None else ceil((self.fraction or 0.0) * dim - _ROUNDING)

    def encode(self, rows: Tensor, key: Key) -> Code:
        """Positions and values [n, k] of the largest coordinates."""
        positions = kernels.on(rows.device).largest(rows, self.kept(None, rows.shape[1]))
        return Code(positions=positions, values=rows.gather(1, positions))

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The values at their positions, zeros elsewhere."""
        kept = self.kept(None, dim)
        return spread(expect_values(code, kept), expect_positions(code, kept, dim), dim)

    def delta(self, dim: int) -> float:
        """The largest k of dim coordinates hold at least k/dim of the energy."""
        return self.kept(None, dim) / dim if dim else 1.0

    def check(self, dim: int) -> None:
        """There must be k coordinates."""
        if self.kept(None, dim) > dim:
            raise OperatorError(f"TopK: k={self.k} exceeds dim={dim}; choose k <= dim")
