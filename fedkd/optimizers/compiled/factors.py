"""Rows and columns as they lie in memory, compiled: their means, their factors, and what they add to hidden units.

Shapes: a factored tensor is [outer, x, between, y, inner] in memory, x and y its two factored dimensions. Means of
squares over y are [outer, x, between, inner], those over x [outer, between, y, inner]; rows are those over the longer.
"""

from __future__ import annotations

import math
from typing import Any

from fedkd.optimizers.compiled.compiler import compiled, inlined, tuple_of
from fedkd.optimizers.compiled.pieces import FACTORS, INVERSE, UNITS
from fedkd.optimizers.features import EPSILON, LEAST, SMALL
from fedkd.optimizers.moments import TINY

FACTOR, PARTS = 3, 7
"""Of a mean: its factors at three decays, then what it adds to four units."""
_UNIT = UNITS - FACTOR
"""What part k adds to a unit is row _UNIT + k of the scratch."""


@compiled
def add_squares_of_line(line: Any, inner: int, over_y: Any, over_x: Any) -> None:
    """Add the squares of [y, inner] to sums over y [inner] and, as they are, to those over x."""
    if inner == 1:
        whole = 0.0
        for j in range(line.size):
            square = line[j] * line[j]
            over_x[j] += square
            whole += square
        over_y[0] += whole
        return
    for j in range(line.size):
        over_x[j] += line[j] * line[j]
    for k in range(inner):
        total = 0.0
        for j in range(k, line.size, inner):
            total += line[j] * line[j]
        over_y[k] += total


@inlined
def squares(gradient: Any, shape: Any, over_y: Any, over_x: Any) -> None:
    """Sums of squares over y and over x."""
    outer, x, between, y, inner = shape
    width = y * inner
    over_y[:] = 0.0
    over_x[:] = 0.0
    for line in range(outer * x * between):
        place = (line // (x * between) * between + line % between) * width
        add_squares_of_line(
            gradient[line * width : (line + 1) * width],
            inner,
            over_y[line * inner : (line + 1) * inner],
            over_x[place : place + width],
        )


@compiled
def mix_squares(mean: Any, sums: Any, count: int, share: Any, rest: Any) -> None:
    """A mean of squares, one gradient on."""
    kind = mean.dtype.type
    for j in range(mean.size):
        mean[j] = share * mean[j] + rest * kind(sums[j] / count + TINY)


@compiled
def relative(mean: Any, outer: int, count: int, inner: int, out: Any) -> None:
    """Factors 1/sqrt(R / mean R) of rows [outer, count, inner], their mean over count."""
    kind = mean.dtype.type
    for i in range(outer):
        for k in range(inner):
            start, total = i * count * inner + k, 0.0
            for j in range(count):
                total += mean[start + j * inner]
            share = kind(1) / (kind(total / count) + kind(LEAST))
            for j in range(count):
                out[start + j * inner] = mean[start + j * inner] * share
    absolute(out, out)


@compiled
def absolute(mean: Any, out: Any) -> None:
    """Factors 1/sqrt(C) of columns."""
    kind = mean.dtype.type
    for j in range(mean.size):
        value = mean[j]
        out[j] = kind(1) / math.sqrt(kind(LEAST) if value < kind(LEAST) else value)


@compiled
def add_squares_of_mean(mean: Any, times: int, sums: Any, place: int) -> None:
    """Add so many times the squares of R and of 1/sqrt(R + 1e-8) to sums [28], the latter six further on."""
    kind = mean.dtype.type
    plain, inverse = 0.0, 0.0
    for j in range(mean.size):
        plain += mean[j] * mean[j]
        inverse += kind(1) / (mean[j] + kind(SMALL))
    sums[place] += times * plain
    sums[place + 6] += times * inverse


@compiled
def tell(mean: Any, weights: Any, place: int, out: Any) -> None:
    """Add to four units [4, .] what their weights [28, 4] make of R and of 1/sqrt(R + 1e-8)."""
    kind = mean.dtype.type
    for i in range(4):
        row, plain, inverse = out[i], weights[place, i], weights[place + 6, i]
        for j in range(mean.size):
            row[j] += plain * mean[j] + inverse * (kind(1) / math.sqrt(mean[j] + kind(SMALL)))


@inlined
def spread(shape: Any, start: int, stop: int, over_y: Any, over_x: Any, rows: Any, parts: int) -> None:
    """Factors of a piece, and with seven parts what is added to its units."""
    _, x, between, y, inner = shape
    width, done = y * inner, start
    while done < stop:
        line, place = done // width, done % width
        there = (line // (x * between) * between + line % between) * width + place
        at, count = done - start, min(stop - done, width - place)
        if inner == 1:
            _spread_line(over_y, line, over_x, there, rows, at, count, parts)
        else:
            _spread_inner(over_y, line * inner, inner, place % inner, over_x, there, rows, at, count, parts)
        done += count


@compiled
def _spread_line(over_y: Any, line: int, over_x: Any, there: int, rows: Any, at: int, count: int, parts: int) -> None:
    """Part of a line of which the mean over y is one number."""
    for k in range(FACTOR):
        number, source, out = over_y[k, line], over_x[k][there : there + count], rows[FACTORS + k][at : at + count]
        for j in range(count):
            out[j] = number * source[j]
    for k in range(FACTOR, parts):
        number, source, out = over_y[k, line], over_x[k][there : there + count], rows[_UNIT + k][at : at + count]
        for j in range(count):
            out[j] = number + source[j]


@compiled
def _spread_inner(
    over_y: Any, here: int, inner: int, phase: int, over_x: Any, there: int, rows: Any, at: int, count: int, parts: int
) -> None:
    """Part of a line in which the mean over y comes again at every ``inner`` elements."""
    for k in range(FACTOR):
        source, out = over_x[k][there : there + count], rows[FACTORS + k][at : at + count]
        _repeat(over_y[k][here : here + inner], phase, out)
        for j in range(count):
            out[j] *= source[j]
    for k in range(FACTOR, parts):
        source, out = over_x[k][there : there + count], rows[_UNIT + k][at : at + count]
        _repeat(over_y[k][here : here + inner], phase, out)
        for j in range(count):
            out[j] += source[j]


@compiled
def _repeat(source: Any, phase: int, out: Any) -> None:
    """Numbers again and again, from one of them on: once, then all there is as long as that is too little."""
    full = min(source.size, out.size)
    for j in range(full):
        out[j] = source[phase]
        phase = 0 if phase + 1 == source.size else phase + 1
    while full < out.size:
        more = min(full, out.size - full)
        there = out[full : full + more]
        for j in range(more):
            there[j] = out[j]
        full += more


@inlined
def move_squares(means: Any, gradient: Any, start: int, stop: int, shares: Any, rows: Any, sums: Any) -> None:
    """Of a tensor without factors: a piece of its squares' means [3, size], one gradient on, and its factors."""
    for k in range(3):
        mean = means[k * gradient.size + start : k * gradient.size + stop]
        _mix_square(mean, gradient[start:stop], shares[4 + k], shares[11 + k])
        _own_factors(mean, rows[FACTORS + k], rows[FACTORS + 3 + k])
        # It is its rows and its columns.
        add_squares_of_mean(mean, 1, sums, 13 + k)
        add_squares_of_mean(mean, 1, sums, 16 + k)


@compiled
def _mix_square(mean: Any, gradient: Any, share: Any, rest: Any) -> None:
    for j in range(mean.size):
        mean[j] = share * mean[j] + rest * (gradient[j] * gradient[j] + mean.dtype.type(TINY))


@compiled
def _own_factors(mean: Any, on_gradient: Any, on_momenta: Any) -> None:
    kind = mean.dtype.type
    for j in range(mean.size):
        on_gradient[j] = kind(1) / math.sqrt(mean[j] + kind(LEAST))
        on_momenta[j] = kind(1) / math.sqrt(mean[j] + kind(EPSILON))


@inlined
def tell_squares(means: Any, size: int, start: int, stop: int, weights: Any, added: Any, rows: Any) -> None:
    """Of a tensor without factors: a piece's factors, and what weights [4, 6] and time [4] add to its units."""
    for k in range(3):
        mean = means[k * size + start : k * size + stop]
        _own_factors(mean, rows[FACTORS + k], rows[FACTORS + 3 + k])
        _inverse_root(mean, rows[INVERSE + k])
    first, second = means[start:stop], means[size + start : size + stop]
    third = means[2 * size + start : 2 * size + stop]
    for i in range(4):
        _own_unit(first, second, third, rows, tuple_of(weights[i], 6), added[i], rows[UNITS + i])


@compiled
def _inverse_root(mean: Any, out: Any) -> None:
    kind = mean.dtype.type
    for j in range(mean.size):
        out[j] = kind(1) / math.sqrt(mean[j] + kind(SMALL))


@compiled
def _own_unit(first: Any, second: Any, third: Any, rows: Any, w: Any, added: Any, out: Any) -> None:
    for j in range(first.size):
        plain = w[0] * first[j] + w[1] * second[j] + w[2] * third[j]
        out[j] = plain + w[3] * rows[INVERSE, j] + w[4] * rows[INVERSE + 1, j] + w[5] * rows[INVERSE + 2, j] + added
