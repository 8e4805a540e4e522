"""QSGD: random rounding to equal levels of the row's norm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fedkd_compression import kernels
from fedkd_compression.code import Code
from fedkd_compression.errors import OperatorError
from fedkd_compression.operators.base import Operator, Traits
from fedkd_compression.operators.checks import expect_side, expect_symbols
from fedkd_compression.operators.norms import l2_norms

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key

_MOST = 1 << 20


@dataclass(frozen=True)
class QSGD(Operator):
    """C(x)_j = |x| sign(x_j) floor(s |x_j|/|x| + u_j)/s with u_j uniform in [0, 1); C(0) = 0.

    Source: Alistarh et al., QSGD (2017). omega = min(d/s^2, sqrt(d)/s) for the Euclidean norm. For the largest
    absolute value as norm, omega = (sqrt(1 + (d-1)/s^2) - 1)/2: with a_j = |x_j|/|x|, a coordinate below the first
    level errs by a_j (1/s - a_j), the largest one not at all, and the worst row has all others equal.

    Args:
        levels: s, number of levels, in [1, 2^20].
        norm: |x| is the Euclidean norm ("l2") or the largest absolute value ("max").

    Example:
        >>> QSGD(levels=1, norm="l2").omega(dim=100)
        10.0
    """

    levels: int
    norm: Literal["l2", "max"] = "l2"
    traits = Traits(unbiased=True, narrow=True, anywhere=True)

    def __post_init__(self) -> None:
        if not 1 <= self.levels <= _MOST:
            raise OperatorError(f"QSGD: levels={self.levels} is outside [1, 2^20]; choose levels >= 1")
        if self.norm not in ("l2", "max"):
            raise OperatorError(f"QSGD: norm={self.norm!r} is unknown; choose 'l2' or 'max'")

    def encode(self, rows: Tensor, key: Key) -> Code:
        """Symbols [n, d] in [-levels, levels] and one norm a row."""
        run = kernels.on(rows.device)
        norms = (l2_norms(rows) if self.norm == "l2" else run.peaks(rows)).to(rows.dtype)
        return Code(run.levels_encode(rows, norms, self.levels, key.array()), side=norms[:, None])

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The levels times the norm."""
        norms, symbols = expect_side(code, 1)[:, 0].contiguous(), expect_symbols(code, dim)
        return kernels.on(symbols.device).levels_decode(symbols, norms, self.levels)

    def contexts(self, key: Key, dim: int) -> Tensor:
        """Eight bins of u: of a large one a coordinate is rarely rounded up. Signs are symmetric in each."""
        return kernels.on("cpu").bins(key.array(), dim) >> 1

    def omega(self, dim: int) -> float:
        """The bound of the class's docstring."""
        if self.norm == "l2":
            return min(dim / self.levels**2, math.sqrt(dim) / self.levels)
        return (math.sqrt(1 + max(dim - 1, 0) / self.levels**2) - 1) / 2
