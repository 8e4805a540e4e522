"""TopK: the largest coordinates, with their positions."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from fedkd_compression import kernels
from fedkd_compression.code import Code
from fedkd_compression.errors import OperatorError
from fedkd_compression.operators.base import Operator, Traits
from fedkd_compression.operators.checks import expect_positions, expect_values

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
    traits: ClassVar[Traits] = Traits()

    def __post_init__(self) -> None:
        if (self.k is None) == (self.fraction is None):
            raise OperatorError(f"TopK: k={self.k} and fraction={self.fraction}; give exactly one of them")
        if self.k is not None and self.k < 1:
            raise OperatorError(f"TopK: k={self.k} is below 1; choose k >= 1")
        if self.fraction is not None and not 0 < self.fraction <= 1:
            raise OperatorError(f"TopK: fraction={self.fraction} is outside (0, 1]; choose fraction = 0.05")

    def kept(self, dim: int) -> int:
        """Number of coordinates kept of ``dim``."""
        return self.k if self.k is not None else ceil((self.fraction or 0.0) * dim - _ROUNDING)

    def encode(self, rows: Tensor, key: Key) -> Code:
        """Positions and values [n, k] of the largest coordinates."""
        data = rows.numpy()
        # The bits of non-negative floats are ordered as the floats are.
        bits = np.abs(data).view(np.uint32 if data.dtype == np.float32 else np.uint64)
        kept = self.kept(data.shape[1])
        found = [kernels.backend().largest(row, kept) for row in bits]
        positions = torch.from_numpy(np.stack(found)) if found else torch.empty(0, kept, dtype=torch.int64)
        return Code(positions=positions, values=rows.gather(1, positions))

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The values at their positions, zeros elsewhere."""
        kept = self.kept(dim)
        values = expect_values(code, kept)
        return values.new_zeros(len(values), dim).scatter_(1, expect_positions(code, kept), values)

    def delta(self, dim: int) -> float:
        """The largest k of dim coordinates hold at least k/dim of the energy."""
        return self.kept(dim) / dim if dim else 1.0

    def check(self, dim: int) -> None:
        """There must be k coordinates."""
        if self.kept(dim) > dim:
            raise OperatorError(f"TopK: k={self.k} exceeds dim={dim}; choose k <= dim")
