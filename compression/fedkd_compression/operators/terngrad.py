"""TernGrad: three values a coordinate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedkd_compression import kernels
from fedkd_compression.code import Code
from fedkd_compression.operators.base import Operator, Traits
from fedkd_compression.operators.checks import expect_side, expect_symbols

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key

_ONE_LEVEL = 1


@dataclass(frozen=True)
class TernGrad(Operator):
    """C(x)_j = t sign(x_j) b_j with t = max |x| and b_j = 1 with probability |x_j|/t, else 0.

    Source: Wen et al., TernGrad (2017), without its clipping, which is biased. The same levels as QSGD(levels=1,
    norm="max"); here the coder's tables depend on the uniform that b_j came from, which both ends know: of a large one
    little but zeros can come.

    omega = (sqrt(d) - 1)/2, reached. With t = 1, a_j = |x_j| and n = d - 1 coordinates beside the largest, the error is
    the sum of a_j - a_j^2; and a - a^2 <= omega a^2 + omega/n for every a, because the discriminant
    1 - 4 omega (1 + omega)/n is 0 at this omega; summed, at most omega |x|^2. Equality at a = 1/(2 (1 + omega)).

    Example:
        >>> TernGrad().omega(dim=100)
        4.5
    """

    traits = Traits(unbiased=True, narrow=True, anywhere=True)

    def encode(self, rows: Tensor, key: Key) -> Code:
        """Symbols [n, d] in {-1, 0, 1} and the largest absolute value of each row."""
        run = kernels.on(rows.device)
        peaks = run.peaks(rows).to(rows.dtype)
        return Code(run.levels_encode(rows, peaks, _ONE_LEVEL, key.array()), side=peaks[:, None])

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The symbols times the largest value."""
        peaks, symbols = expect_side(code, 1)[:, 0].contiguous(), expect_symbols(code, dim)
        return kernels.on(symbols.device).levels_decode(symbols, peaks, _ONE_LEVEL)

    def contexts(self, key: Key, dim: int) -> Tensor:
        """Eight bins of the uniforms; signs are as likely in each, so none needs a mirror."""
        return kernels.on("cpu").bins(key.array(), dim) >> 1

    def omega(self, dim: int) -> float:
        """The bound of the class's docstring."""
        return (math.sqrt(max(dim, 1)) - 1) / 2
