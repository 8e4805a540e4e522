"""Float16: every coordinate rounded to the nearest half-precision number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from fedkd_compression.code import Code
from fedkd_compression.errors import OperatorError
from fedkd_compression.operators.base import Operator, Traits
from fedkd_compression.operators.checks import expect_values

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key

_LARGEST = 65504.0


@dataclass(frozen=True)
class Float16(Operator):
    """C(x) = x rounded to half precision: two bytes a coordinate, no randomness.

    Each coordinate with 2^-14 <= |x_j| <= 65504 is off by at most 2^-11 |x_j|, so rows of such coordinates (and
    zeros) satisfy |C(x) - x|^2 <= 2^-22 |x|^2, the delta that is stated. A smaller coordinate is off by at most 2^-25.
    """

    traits = Traits(fixed_size=True, anywhere=True)

    def encode(self, rows: Tensor, key: Key) -> Code:
        """The rows [n, d] as half-precision values.

        Raises:
            OperatorError: a coordinate is beyond the half-precision range.
        """
        values = rows.to(torch.float16)
        if torch.isinf(values).any():
            peak = float(rows.abs().max())
            raise OperatorError(f"Float16: |x|={peak:g} exceeds {_LARGEST:g}; scale the rows down")
        return Code(values=values)

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The values in float32."""
        return expect_values(code, dim).to(torch.float32)

    def delta(self, dim: int) -> float:
        """1 - 2^-22 for coordinates in half precision's normal range."""
        return 1.0 - 2.0**-22
