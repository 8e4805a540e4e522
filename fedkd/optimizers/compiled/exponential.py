"""exp as a few operations that become vector instructions; numba's own calls the C library, number by number."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
from numba.core import types
from numba.extending import overload

from fedkd.optimizers.compiled.compiler import compiled_in_order

f32, f64, i32, i64 = np.float32, np.float64, np.int32, np.int64

_LN2 = Decimal("0.693147180559945309417232121458")
_PER = 1 / math.log(2)
# ln 2 = high + low: a product of the high part and a small integer is not rounded.
_HIGH32, _HIGH64 = float(int(_LN2 * 2**12)) / 2**12, float(int(_LN2 * 2**40)) / 2**40
_LOW32, _LOW64 = float(_LN2 - Decimal(_HIGH32)), float(_LN2 - Decimal(_HIGH64))
# Added to a number they leave its nearest integer in the last bits.
_ROUND32, _ROUND64 = 1.5 * 2**23, 1.5 * 2**52
_BITS32, _BITS64 = np.float32(_ROUND32).view(np.int32), np.float64(_ROUND64).view(np.int64)


@compiled_in_order
def _single(x: np.float32) -> np.float32:
    """2^n e^r with x = n ln 2 + r; e^r by its series to r^7, 2^n in two halves, for the ends of the range."""
    x = f32(-110) if x < f32(-110) else x
    x = f32(100) if x > f32(100) else x
    shifted = x * f32(_PER) + f32(_ROUND32)
    whole = shifted - f32(_ROUND32)
    r = x - whole * f32(_HIGH32) - whole * f32(_LOW32)
    y = f32(1 / 720) + r * f32(1 / 5040)
    y = f32(1 / 6) + r * (f32(1 / 24) + r * (f32(1 / 120) + r * y))
    y = f32(1) + r * (f32(1) + r * (f32(0.5) + r * y))
    n = np.float32(shifted).view(np.int32) - _BITS32
    half = n >> i32(1)
    one, other = (half + i32(127)) << i32(23), (n - half + i32(127)) << i32(23)
    return y * np.int32(one).view(np.float32) * np.int32(other).view(np.float32)


@compiled_in_order
def _double(x: np.float64) -> np.float64:
    """The same; the series to r^13."""
    x = f64(-800) if x < f64(-800) else x
    x = f64(800) if x > f64(800) else x
    shifted = x * _PER + _ROUND64
    whole = shifted - _ROUND64
    r = x - whole * _HIGH64 - whole * _LOW64
    y = 1 / 39916800 + r * (1 / 479001600 + r * (1 / 6227020800))
    y = 1 / 40320 + r * (1 / 362880 + r * (1 / 3628800 + r * y))
    y = 1 / 120 + r * (1 / 720 + r * (1 / 5040 + r * y))
    y = 1 + r * (1 + r * (0.5 + r * (1 / 6 + r * (1 / 24 + r * y))))
    n = np.float64(shifted).view(np.int64) - _BITS64
    half = n >> i64(1)
    one, other = (half + i64(1023)) << i64(52), (n - half + i64(1023)) << i64(52)
    return y * np.int64(one).view(np.float64) * np.int64(other).view(np.float64)


def exponential(x: Any) -> Any:
    """In a kernel: e^x of a float, within about one unit of its last place."""
    raise NotImplementedError


def _of_type(x: Any) -> Callable[[Any], Any]:
    """What stands for it in a kernel."""
    chosen = _single if x == types.float32 else _double

    def call(x: Any) -> Any:
        return chosen(x)

    return call


overload(exponential)(_of_type)
