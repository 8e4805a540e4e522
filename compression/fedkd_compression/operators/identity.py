"""Identity: the row itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedkd_compression.code import Code
from fedkd_compression.operators.base import Operator, Traits
from fedkd_compression.operators.checks import expect_values

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class Identity(Operator):
    """C(x) = x, bit for bit; omega = 0."""

    traits = Traits(unbiased=True, exact=True, lossless=True, additive=True, fixed_size=True, anywhere=True)

    def encode(self, rows: Tensor, key: Key) -> Code:
        """The rows [n, d] as values."""
        return Code(values=rows)

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The values."""
        return expect_values(code, dim)

    def omega(self, dim: int) -> float:
        """Nothing is lost."""
        return 0.0

    def delta(self, dim: int) -> float:
        """Nothing is lost."""
        return 1.0
