"""Sign: one bit a coordinate and one scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from fedkd_compression import kernels
from fedkd_compression.code import Code
from fedkd_compression.operators.base import Operator, Traits
from fedkd_compression.operators.checks import expect_side, expect_symbols

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key

_POSITIVE, _NEGATIVE, _ZERO = 0, 1, 2


@dataclass(frozen=True)
class Sign(Operator):
    """C(x) = (|x|_1/d) sign(x), with sign(0) = 0: contractive and biased.

    Source: Seide et al. (2014), Bernstein et al. (2018); the scale of Karimireddy et al. (2019). With s = |x|_1/d,
    |C(x) - x|^2 <= d s^2 - 2 s |x|_1 + |x|^2 = (1 - |x|_1^2/(d |x|^2)) |x|^2, and |x|_1 >= |x|: so delta = 1/d for the
    worst row, one coordinate. Of Gaussian rows it keeps 2/pi.

    The symbols are 0 for positive, 1 for negative, 2 for zero: rows without zeros cost one bit a coordinate.

    Example:
        >>> Sign().delta(dim=100)
        0.01
    """

    traits = Traits(narrow=True, anywhere=True)

    def encode(self, rows: Tensor, key: Key) -> Code:
        """Symbols [n, d] and the mean absolute value of each row."""
        totals = kernels.on(rows.device).dots(rows, rows.sign())
        symbols = (rows < 0).to(torch.int8) + (rows == 0).to(torch.int8) * _ZERO
        return Code(symbols, side=(totals * (1 / max(rows.shape[1], 1))).to(rows.dtype)[:, None])

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The scale with each coordinate's sign."""
        scales, symbols = expect_side(code, 1), expect_symbols(code, dim)
        signs = (symbols == _POSITIVE).to(torch.int8) - (symbols == _NEGATIVE).to(torch.int8)
        return signs.to(scales.dtype).mul_(scales)

    def delta(self, dim: int) -> float:
        """The worst row's."""
        return 1 / max(dim, 1)
