"""Binary logarithms and powers in whole numbers, so that every machine finds the same sizes and the same tables."""

from __future__ import annotations

from functools import cache
from math import isqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fedkd_compression.arrays import Counts

BIT = 1 << 20
"""One bit, as sizes are counted in here."""
FINEST = 16
"""Steps of an octave in ``powers``."""
_FRACTION = 20
_EXACT_BITS = 14
_POWER_BITS = 24
_ROOT_BITS = 60


@cache
def logarithms() -> Counts:
    """BIT log2 of 0 (as 0), 1, .., 2^14, rounded down: by squaring, a bit at a time."""
    numbers = np.arange(1, (1 << _EXACT_BITS) + 1, dtype=np.uint64)
    whole = np.frexp(numbers.astype(np.float64))[1].astype(np.uint64) - np.uint64(1)
    mantissa, found = numbers << (np.uint64(31) - whole), whole
    for _ in range(_FRACTION):
        mantissa = mantissa * mantissa >> np.uint64(31)
        large = mantissa >> np.uint64(32)
        mantissa, found = mantissa >> large, found << np.uint64(1) | large
    return np.concatenate(((0,), found.astype(np.int64)))


@cache
def costs(precision: int) -> Counts:
    """The size of a symbol of frequency 0 (as 1), 1, .., 2^precision, in units of 1/BIT bits."""
    return (precision << _FRACTION) - logarithms()[: (1 << precision) + 1]


def powers(exponents: Counts) -> Counts:
    """2^(24 - e/16), rounded down, for exponents e in [0, 400)."""
    return _roots()[exponents % FINEST] >> (_ROOT_BITS - _POWER_BITS + exponents // FINEST)


@cache
def _roots() -> Counts:
    """2^(60 - j/16) for j = 0 .. 15."""
    roots = [1 << _ROOT_BITS]
    step = roots[0] >> 1
    for _ in range(FINEST.bit_length() - 1):
        step = isqrt(step << _ROOT_BITS)
    while len(roots) < FINEST:
        roots.append(roots[-1] * step >> _ROOT_BITS)
    return np.array(roots, np.int64)
