"""Natural compression: random rounding to powers of two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from fedkd_compression import kernels
from fedkd_compression.code import Code
from fedkd_compression.operators.base import Operator, Traits
from fedkd_compression.operators.checks import expect_side, expect_symbols

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key

_LIFT = 2.0**64
_LOW = 2.0**-62
"""Rows whose largest value is lower are lifted: then none of their numbers is subnormal."""
_NARROW = 127
_WIDEST = 1 << 12
"""More than the powers of two between the largest and the smallest float64."""


class _Format(NamedTuple):
    """A float's bits as an integer: sign, exponent (all ones for infinity), ``fraction`` bits below the leading one."""

    integer: torch.dtype
    fraction: int
    ones: int


@dataclass(frozen=True)
class Natural(Operator):
    """Round |x_j| = 2^e (1 + f) to 2^(e+1) with probability f, to 2^e else; signs and zeros stay.

    Source: Horvath et al., Natural Compression for Distributed Deep Learning (2019). omega = 1/8, reached by f = 1/3:
    the variance of a coordinate is f (1 - f) 2^(2e) = f (1 - f)/(1 + f)^2 x^2.

    A symbol is the sign times one plus how often the power must be doubled to reach the row's largest, which is the
    side information: 0 for a zero, small numbers for large coordinates. The probability f is met exactly for float32,
    to 2^-24 for float64. In a row whose largest value is above 2^-62, subnormal numbers go to zero or to the smallest
    normal number.

    Example:
        >>> Natural().omega(dim=1000)
        0.125
    """

    traits = Traits(unbiased=True, narrow=True, anywhere=True)

    def encode(self, rows: Tensor, key: Key) -> Code:
        """Symbols [n, d] and the largest power of two of each row."""
        run, form = kernels.on(rows.device), _format(rows.dtype)
        lift = torch.where(run.peaks(rows) < _LOW, _LIFT, 1.0).to(rows.dtype)[:, None]
        # Random bits below the leading one carry into the exponent with probability f.
        bits = (rows * lift).abs_().view(form.integer)
        exponents = bits.add_(_bits_below(run.uniforms(key.array(), rows.shape[1]), rows.dtype)) >> form.fraction
        tops = run.peaks((exponents << form.fraction).view(rows.dtype)).to(rows.dtype)[:, None]
        below = (_exponent(tops) + 1 - exponents).mul_(exponents != 0)
        narrow = bool((below <= _NARROW).all())
        symbols = below.mul_(rows.sign().to(form.integer))
        return Code(symbols.to(torch.int8 if narrow else torch.int32), side=tops / lift)

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The largest power of two, halved as often as a symbol says."""
        tops, symbols = expect_side(code, 1), expect_symbols(code, dim)
        form = _format(tops.dtype)
        lift = torch.where(tops <= _LOW, _LIFT, 1.0).to(tops.dtype)
        below = symbols.to(form.integer).clamp(-_WIDEST, _WIDEST)
        exponents = (_exponent(tops * lift) + 1 - below.abs()).clamp_(0, form.ones).mul_(below != 0)
        powers = (exponents << form.fraction).view(tops.dtype)
        return powers.div_(lift).mul_(below.sign_())

    def omega(self, dim: int) -> float:
        """The variance at the worst place between two powers of two."""
        return 0.125


def _format(dtype: torch.dtype) -> _Format:
    return _Format(torch.int32, 23, 0xFF) if dtype == torch.float32 else _Format(torch.int64, 52, 0x7FF)


def _bits_below(uniforms: Tensor, dtype: torch.dtype) -> Tensor:
    """The leading bits of uniforms as those below a float's leading one."""
    form = _format(dtype)
    known = min(form.fraction, 24)
    return (uniforms * 2.0**known).to(form.integer) << (form.fraction - known)


def _exponent(values: Tensor) -> Tensor:
    """The exponent's bits of values without a sign."""
    form = _format(values.dtype)
    return values.contiguous().view(form.integer) >> form.fraction
