"""Shannon's limits for Gaussian rows: no code of fewer bits a coordinate has so small a distortion."""

from __future__ import annotations

import math

UNBIASED, BIASED = "R = 1/2 log2(1 + 1/omega)", "R = 1/2 log2(1/nmse)"


def limit(distortion: float, unbiased: bool) -> float:
    """Bits a coordinate of long Gaussian rows.

    R = 1/2 log2(1 + 1/omega) for E C(x) = x, where the distortion is omega; R = 1/2 log2(1/nmse) for any other.
    Source: Shannon (1959); the first is the second at the best multiple of C, where nmse = omega/(1 + omega).

    Args:
        distortion: E|C(x) - x|^2/|x|^2, at least 0.
        unbiased: which of the two.

    Example:
        >>> limit(1 / 3, unbiased=True)
        1.0
    """
    if distortion <= 0:
        return math.inf
    return 0.5 * math.log2(1 + 1 / distortion) if unbiased else max(0.0, -0.5 * math.log2(distortion))


def distortion_at(bits: float, unbiased: bool) -> float:
    """The inverse of ``limit``, for bits above 0."""
    distortion: float = 4.0**-bits
    return distortion / (1 - distortion) if unbiased else distortion
