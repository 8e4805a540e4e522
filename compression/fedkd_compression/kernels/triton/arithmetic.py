"""What the kernels share: a program's place, random words, and roundings as IEEE 754 has them.

Each function is inlined into the kernels. What is compiled must round after every operation, so kernels are launched
without fused multiply-add, and division is the one that rounds to nearest.
"""

from __future__ import annotations

import triton.language as tl

from fedkd_compression.kernels.triton.launch import compiled


@compiled
def place(dim: tl.tensor, blocks: tl.tensor, block: tl.constexpr) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """The row of this program, its coordinates, and which of them there are: each row has ``blocks`` programs."""
    program = tl.program_id(0)
    at = (program % blocks).to(tl.int64) * block + tl.arange(0, block)
    return (program // blocks).to(tl.int64), at, at < dim


@compiled
def hashed(key: tl.tensor, at: tl.tensor) -> tl.tensor:
    """Words of a stream, uint32; see the portable module."""
    low, high = key.to(tl.uint32), (key >> 32).to(tl.uint32)
    x = at.to(tl.uint32) * 0x9E3779B9 + low
    x = ((x ^ (x >> 16)) * 0x21F0AAAD) ^ high
    x = (x ^ (x >> 15)) * 0xD35A2D97
    return x ^ (x >> 15)


@compiled
def dithered(word: tl.tensor) -> tl.tensor:
    """A word as a dither, float32."""
    odd = ((word >> 8) * 2 + 1).to(tl.int32) - 16777216
    return odd.to(tl.float32) * 2.9802322387695312e-08


@compiled
def uniform(word: tl.tensor) -> tl.tensor:
    """A word as a uniform, float32."""
    return (word >> 8).to(tl.int32).to(tl.float32) * 5.9604644775390625e-08


@compiled
def divided(x: tl.tensor, y: tl.tensor) -> tl.tensor:
    """The quotient to the nearest; the plain division of float32 is not."""
    if x.dtype == tl.float32:
        return tl.div_rn(x, y)
    else:  # noqa: RET505  (a compile-time branch must not go on behind it)
        return x / y


@compiled
def rounded(x: tl.tensor) -> tl.tensor:
    """The nearest whole number, of two equally near ones the even; x is no subnormal number."""
    low = tl.floor(x)
    rest = x - low
    odd = tl.floor(low * 0.5) * 2.0 != low
    return tl.where((rest > 0.5) | ((rest == 0.5) & odd), low + 1.0, low)
