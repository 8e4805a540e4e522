"""The compiled Walsh-Hadamard transform: several stages in one pass, which changes no sum.

Letters: a .. g and k are the entries that a pass combines, in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.compiled.chunks import CHUNK
from fedkd_compression.kernels.compiled.compiler import compiled, parallel

if TYPE_CHECKING:
    from fedkd_compression.arrays import Floats


@compiled
def _tiny(source: Floats, out: Floats) -> None:
    """All stages of a block of 1, 2 or 4."""
    for i in range(out.size):
        out[i] = source[i]
    h = 1
    while h < out.size:
        for start in range(0, out.size, 2 * h):
            for i in range(start, start + h):
                low, high = out[i], out[i + h]
                out[i], out[i + h] = low + high, low - high
        h *= 2


@compiled
def _first(source: Floats, out: Floats) -> None:
    """Stages 1, 2 and 4."""
    for start in range(0, out.size, 8):
        x, y = source[start : start + 8], out[start : start + 8]
        a, b, c, d, e, f, g, k = x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
        a, b, c, d, e, f, g, k = a + b, a - b, c + d, c - d, e + f, e - f, g + k, g - k
        a, b, c, d, e, f, g, k = a + c, b + d, a - c, b - d, e + g, f + k, e - g, f - k
        y[0], y[1], y[2], y[3], y[4], y[5], y[6], y[7] = a + e, b + f, c + g, d + k, a - e, b - f, c - g, d - k


@compiled
def _second(out: Floats) -> None:
    """Stages 8, 16 and 32."""
    for start in range(0, out.size, 64):
        x = out[start : start + 64]
        for i in range(8):
            a, b, c, d, e, f, g, k = x[i], x[i + 8], x[i + 16], x[i + 24], x[i + 32], x[i + 40], x[i + 48], x[i + 56]
            a, b, c, d, e, f, g, k = a + b, a - b, c + d, c - d, e + f, e - f, g + k, g - k
            a, b, c, d, e, f, g, k = a + c, b + d, a - c, b - d, e + g, f + k, e - g, f - k
            x[i], x[i + 8], x[i + 16], x[i + 24] = a + e, b + f, c + g, d + k
            x[i + 32], x[i + 40], x[i + 48], x[i + 56] = a - e, b - f, c - g, d - k


@compiled
def _two(x: Floats, h: int) -> None:
    """Stages h and 2 h."""
    for start in range(0, x.size, 4 * h):
        p, q = x[start : start + h], x[start + h : start + 2 * h]
        r, s = x[start + 2 * h : start + 3 * h], x[start + 3 * h : start + 4 * h]
        for i in range(h):
            a, b, c, d = p[i] + q[i], p[i] - q[i], r[i] + s[i], r[i] - s[i]
            p[i], q[i], r[i], s[i] = a + c, b + d, a - c, b - d


@compiled
def _one(low: Floats, high: Floats) -> None:
    """A stage, of the entries that it pairs."""
    for i in range(low.size):
        low[i], high[i] = low[i] + high[i], low[i] - high[i]


@compiled
def _blocks(first: int, last: int, rows: Floats, out: Floats) -> None:
    for item in range(first, last):
        x, size = out[item], out.shape[1]
        if size < 8:
            _tiny(rows[item], x)
            continue
        _first(rows[item], x)
        h = 8
        if size >= 64:
            _second(x)
            h = 64
        while 4 * h <= size:
            _two(x, h)
            h *= 4
        for start in range(0, size if h < size else 0, 2 * h):
            _one(x[start : start + h], x[start + h : start + 2 * h])


@compiled
def _long_stage(first: int, last: int, pairs: Floats) -> None:
    """A stage of at least 16384, of [groups, 2, h]."""
    pieces = pairs.shape[2] // CHUNK
    for item in range(first, last):
        group, piece = divmod(item, pieces)
        start, stop = piece * CHUNK, (piece + 1) * CHUNK
        _one(pairs[group, 0, start:stop], pairs[group, 1, start:stop])


def hadamard(rows: Floats, block: int) -> Floats:
    """Every block of the rows transformed, as new rows [n, d]."""
    out, short = np.empty(rows.shape, rows.dtype), min(block, CHUNK)
    if out.size:
        shape = (out.size // short, short)
        parallel(_blocks, shape[0], out.size, rows.reshape(shape), out.reshape(shape))
    h = short
    while h < block:
        pairs = out.reshape(-1, 2, h)
        parallel(_long_stage, pairs.size // (2 * CHUNK), out.size, pairs)
        h *= 2
    return out
