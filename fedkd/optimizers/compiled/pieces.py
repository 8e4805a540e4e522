"""The update of a piece of a tensor, compiled: its moments, what the network sees of every element, and the step.

A scratch holds a piece's numbers, one kind a row. It stays in the first cache, and loops over rows of one array become
vector instructions; hence a loop a hidden unit, whose weights are then all in registers.

| rows | hold |
|---|---|
| 0, 1 | g, p |
| 2 to 4 | momenta m |
| 5 | second moment v |
| 6 | r = 1/sqrt(v + 1e-6) |
| 7 to 9 | factors of the gradient |
| 10 to 12 | factors of the momenta |
| 13 to 16 | what rows, columns and time add to hidden units; then these units |
| 17 to 19 | 1/sqrt of squares' means, of tensors without rows and columns |
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fedkd.optimizers.compiled.compiler import compiled, inlined
from fedkd.optimizers.compiled.exponential import exponential
from fedkd.optimizers.features import EPSILON

WIDTH = 256
"""Elements of a piece."""
ROOT, FACTORS, UNITS, INVERSE, ROWS = 6, 7, 13, 17, 20
"""Rows of the scratch."""
_STRIDE, _LINE = WIDTH + 16, 64
"""Rows that begin at different places of a page, at the beginning of a line of the cache: else loads wait."""


@compiled
def scratch(like: Any) -> Any:
    """The scratch, of the type of another array."""
    raw = np.empty(ROWS * _STRIDE + _LINE, like.dtype)
    start = -(raw.ctypes.data // raw.itemsize) % (_LINE // raw.itemsize)
    return raw[start : start + ROWS * _STRIDE].reshape(ROWS, _STRIDE)


@compiled
def _copy(source: Any, out: Any) -> None:
    for j in range(source.size):
        out[j] = source[j]


@compiled
def _move(g: Any, p: Any, m0: Any, m1: Any, m2: Any, v: Any, shares: Any, behind: int, rows: Any, sums: Any) -> None:
    """Moments, one gradient on, into the scratch; the squares of the inputs 0 to 12 and 25 to 27 to sums [28]."""
    kind = rows.dtype.type
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = a8 = a9 = a10 = a11 = a12 = a13 = a14 = a15 = kind(0)
    for j in range(g.size):
        first, second = shares[0] * m0[j] + shares[7] * g[j], shares[1] * m1[j] + shares[8] * g[j]
        third, square = shares[2] * m2[j] + shares[9] * g[j], g[j] * g[j]
        moment = shares[3] * v[j] + shares[10] * square
        rows[2, j], rows[3, j], rows[4, j], rows[5, j] = first, second, third, moment
        first, second, third, r = first * first, second * second, third * third, kind(1) / (moment + kind(EPSILON))
        a0 += square
        a1 += p[j] * p[j]
        a2 += first
        a3 += second
        a4 += third
        a5 += moment * moment
        a6 += first * r
        a7 += second * r
        a8 += third * r
        a9 += r
        a10 += square * (rows[FACTORS, j] * rows[FACTORS, j])
        a11 += square * (rows[FACTORS + 1, j] * rows[FACTORS + 1, j])
        a12 += square * (rows[FACTORS + 2, j] * rows[FACTORS + 2, j])
        a13 += first * (rows[behind, j] * rows[behind, j])
        a14 += second * (rows[behind + 1, j] * rows[behind + 1, j])
        a15 += third * (rows[behind + 2, j] * rows[behind + 2, j])
    found = (a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15)
    for i in range(16):
        sums[i if i < 13 else 12 + i] += found[i]


@inlined
def move(tensor: Any, start: int, stop: int, shares: Any, behind: int, rows: Any, sums: Any) -> None:
    """A piece's moments, one gradient on, in place; with its factors already in the scratch, its sums of squares."""
    p, g, momenta, v = tensor[0][start:stop], tensor[1][start:stop], tensor[2], tensor[3][start:stop]
    size = tensor[0].size
    m0, m1 = momenta[start:stop], momenta[size + start : size + stop]
    m2 = momenta[2 * size + start : 2 * size + stop]
    _move(g, p, m0, m1, m2, v, shares, behind, rows, sums)
    _copy(rows[2][: stop - start], m0)
    _copy(rows[3][: stop - start], m1)
    _copy(rows[4][: stop - start], m2)
    _copy(rows[5][: stop - start], v)


@inlined
def take(tensor: Any, start: int, stop: int, rows: Any) -> None:
    """The same into the scratch as it is, and r."""
    parameter, gradient, momenta, second = tensor[:4]
    _copy(gradient[start:stop], rows[0])
    _copy(parameter[start:stop], rows[1])
    for k in range(3):
        place = k * parameter.size
        _copy(momenta[place + start : place + stop], rows[2 + k])
    _copy(second[start:stop], rows[5])
    kind = rows.dtype.type
    for j in range(stop - start):
        rows[ROOT, j] = kind(1) / math.sqrt(rows[5, j] + kind(EPSILON))


@compiled
def unit(rows: Any, count: int, which: int, w: Any, behind: int) -> None:
    """A unit of the first layer, whose weights for the inputs 0 to 12 and 25 to 27 these are."""
    zero, out = rows.dtype.type(0), rows[UNITS + which]
    for j in range(count):
        r = rows[ROOT, j]
        of_gradient = rows[0, j] * (w[0] + w[10] * rows[7, j] + w[11] * rows[8, j] + w[12] * rows[9, j])
        of_first = rows[2, j] * (w[2] + w[6] * r + w[13] * rows[behind, j]) + w[1] * rows[1, j]
        of_second = rows[3, j] * (w[3] + w[7] * r + w[14] * rows[behind + 1, j]) + w[5] * rows[5, j]
        of_third = rows[4, j] * (w[4] + w[8] * r + w[15] * rows[behind + 2, j]) + w[9] * r
        total = (of_gradient + of_first) + (of_second + of_third) + out[j]
        # So that NaN stays.
        out[j] = zero if total < zero else total


@inlined
def _relu(x: Any, zero: Any) -> Any:
    return zero if x < zero else x


@compiled
def step(parameter: Any, rows: Any, w: Any, u: Any, sizes: Any) -> None:
    """The other layers, and p - f_b - f_g - weight_decay p into a piece of the parameter.

    Weights w [4, 4], then biases [4], of the middle layer; u [4, 3], then [3], of the last.
    """
    zero = rows.dtype.type(0)
    for j in range(parameter.size):
        a, b, c, d = rows[UNITS, j], rows[UNITS + 1, j], rows[UNITS + 2, j], rows[UNITS + 3, j]
        e = _relu(w[0] * a + w[4] * b + w[8] * c + w[12] * d + w[16], zero)
        f = _relu(w[1] * a + w[5] * b + w[9] * c + w[13] * d + w[17], zero)
        g = _relu(w[2] * a + w[6] * b + w[10] * c + w[14] * d + w[18], zero)
        h = _relu(w[3] * a + w[7] * b + w[11] * c + w[15] * d + w[19], zero)
        direction = u[0] * e + u[3] * f + u[6] * g + u[9] * h + u[12]
        free = direction * exponential(u[1] * e + u[4] * f + u[7] * g + u[10] * h + u[13])
        larger = exponential(u[2] * e + u[5] * f + u[8] * g + u[11] * h + u[14])
        r = rows[ROOT, j]
        known = (
            sizes[0] * rows[0, j]
            + rows[2, j] * (sizes[1] + sizes[4] * r)
            + rows[3, j] * (sizes[2] + sizes[5] * r)
            + rows[4, j] * (sizes[3] + sizes[6] * r)
        )
        moved = free * (sizes[7] + sizes[8] * r) + known * larger
        parameter[j] = sizes[9] * rows[1, j] - moved
