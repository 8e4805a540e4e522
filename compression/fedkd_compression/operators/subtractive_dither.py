"""Subtractive dither: the default unbiased operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from fedkd_compression import kernels
from fedkd_compression.code import Code
from fedkd_compression.errors import OperatorError
from fedkd_compression.operators.base import Operator, Traits
from fedkd_compression.operators.checks import expect_side, expect_symbols
from fedkd_compression.operators.norms import l2_norms

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.arrays import Floats
    from fedkd_compression.keys import Key

_FINEST = 2.0**-12
_LARGEST_SYMBOL = 2.0**22
_NARROW = 127
_LEAST = {"float32": 2.0**-126, "float64": 2.0**-1022}
"""The smallest normal numbers."""


@dataclass(frozen=True)
class SubtractiveDither(Operator):
    """Round to a grid that the shared key shifts, and take the shift off again.

    D = step RMS(x), u_j uniform in (-1/2, 1/2) from the key, q = round(x/D + u), C(x) = (q - u) D. Then C(x) - x is
    uniform and independent of x: E C(x) = x and omega = step^2/12, exactly, for every x and every dim.
    Source: Roberts (1962); Schuchman (1964).

    Args:
        step: the grid's spacing in units of the row's RMS, in [2^-12, 2^12]; 1.0 costs about 2.1 bits a coordinate
            on Gaussian rows, 2.5 about 1.2.

    Example:
        >>> SubtractiveDither(step=1.0).omega(dim=1000)
        0.08333333333333333
    """

    step: float
    traits: ClassVar[Traits] = Traits(unbiased=True, exact=True, narrow=True)

    def __post_init__(self) -> None:
        if not _FINEST <= self.step <= 1 / _FINEST:
            raise OperatorError(f"SubtractiveDither: step={self.step} is outside [2^-12, 2^12]; choose step near 1")

    def encode(self, rows: Tensor, key: Key) -> Code:
        """Symbols [n, d] and one grid spacing a row."""
        return self.transmit(rows, key)[0]

    def transmit(self, rows: Tensor, key: Key) -> tuple[Code, Tensor]:
        """Encode rows [n, d] and decode them in the same pass."""
        data = rows.numpy()
        steps = self._spacings(data)
        # A bound on |q|; the spacing is infinite when it overflows, and is then refused with the received rows.
        narrow = bool((kernels.backend().peaks(data) < steps.astype(np.float64) * (_NARROW - 1)).all())
        symbols = np.empty(data.shape, np.int8 if narrow else np.int32)
        received = kernels.backend().dither_encode(data, steps, key.array(), symbols)
        code = Code(torch.from_numpy(symbols), side=torch.from_numpy(steps.reshape(-1, 1)))
        return code, torch.from_numpy(received)

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The grid points, without the shift."""
        steps = np.ascontiguousarray(expect_side(code, 1).numpy()[:, 0])
        symbols = expect_symbols(code, dim).numpy()
        return torch.from_numpy(kernels.backend().dither_decode(symbols, steps, key.array()))

    def contexts(self, key: Key, dim: int) -> Tensor:
        """Sixteen bins of the dither: at a low rate it says most about the symbol."""
        return torch.from_numpy(kernels.backend().bins(key.array(), dim))

    def omega(self, dim: int) -> float:
        """The variance of a uniform error."""
        return self.step**2 / 12

    def check(self, dim: int) -> None:
        """A row with one non-zero coordinate has symbols of sqrt(dim)/step, which must be exact."""
        if dim**0.5 / self.step > _LARGEST_SYMBOL:
            least = dim**0.5 / _LARGEST_SYMBOL
            raise OperatorError(
                f"SubtractiveDither: step={self.step:g} is too fine for dim={dim}; choose step >= {least:.3g}"
            )

    def _spacings(self, data: Floats) -> Floats:
        """Step RMS(x) in the rows' dtype [n]; never so small that the grid itself would be inexact, 0 for zero rows."""
        spacing = l2_norms(data) * (self.step / max(data.shape[1], 1) ** 0.5)
        held = np.where(spacing > 0, np.maximum(spacing, _LEAST[data.dtype.name]), 0.0)
        with np.errstate(over="ignore"):
            return held.astype(data.dtype)
