"""The update of whole tensors, compiled: moments and sums of squares in a first pass, the step in a second."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fedkd.optimizers.compiled import factors, pieces
from fedkd.optimizers.compiled.compiler import array_at, compiled, inlined, tuple_of
from fedkd.optimizers.features import NORM
from fedkd.optimizers.form import DECAYS, HIDDEN, INPUTS, MEASURED, TIMES

_FIRST = len(DECAYS)
_BIAS = _FIRST + INPUTS * HIDDEN
_MIDDLE = _BIAS + HIDDEN
_LAST = _MIDDLE + (HIDDEN + 1) * HIDDEN
"""Where weights and biases begin in theta."""
_HEADS = 3
_ROWS, _COLUMNS, _INVERSE, _SCALED = 13, 16, 6, 25
"""Inputs: rows, columns, 1/sqrt of either behind it, momenta times factors."""
_SIZES = 10
"""Where the outputs' scales begin in the form's sizes."""
_WIDTH = pieces.WIDTH


@compiled
def advance(
    first: int, last: int, models: int, places: Any, shapes: Any, thetas: Any, decays: Any, times: Any, sizes: Any
) -> None:
    """Step in place, item by item; an item is tensor * models + model.

    Args:
        first: item.
        last: item, and one more.
        models: of every tensor.
        places: addresses of the first model's p, g, momenta, second moment, means over y and over x, then the bytes
            from each to the next model's [tensors, 12].
        shapes: elements, whether factored, whether rows are means over y, then the shape in memory [tensors, 8].
        thetas: [1, size] or [models, size].
        decays: of theta, then what they leave to 1, [1, 14] or [models, 14].
        times: inputs [1, 11] or [models, 11].
        sizes: of the form [13].
    """
    rows = pieces.scratch(thetas)
    for item in range(first, last):
        tensor, model = item // models, item % models
        place, facts, shape = places[tensor], shapes[tensor], tuple_of(shapes[tensor, 3:], 5)
        size, (outer, x, between, y, inner) = facts[0], shape
        parts = (
            array_at(place[0] + model * place[6], size, thetas),
            array_at(place[1] + model * place[7], size, thetas),
            array_at(place[2] + model * place[8], 3 * size, thetas),
            array_at(place[3] + model * place[9], size, thetas),
            array_at(place[4] + model * place[10], 3 * outer * x * between * inner, thetas),
            array_at(place[5] + model * place[11], 3 * outer * between * y * inner, thetas),
        )
        own, when = min(model, len(thetas) - 1), min(model, len(times) - 1)
        learned = (thetas[own], decays[own], times[when], sizes)
        _advance_one(parts, shape, facts[1] != 0, facts[2] != 0, learned, rows)


@inlined
def _advance_one(parts: Any, shape: Any, factored: bool, rows_over_y: bool, learned: Any, rows: Any) -> None:
    theta, decays, times, sizes = learned
    shares = tuple_of(decays, 14)
    behind = pieces.FACTORS if factored else pieces.FACTORS + 3
    size, sums, many = parts[0].size, np.zeros(MEASURED), 1 if factored else 0
    told_y = np.empty((factors.PARTS, many * (parts[4].size // 3)), rows.dtype)
    told_x = np.empty((factors.PARTS, many * (parts[5].size // 3)), rows.dtype)
    if factored:
        _move_means(parts, shape, rows_over_y, shares, told_y, told_x, sums)
    for start in range(0, size, _WIDTH):
        stop = min(start + _WIDTH, size)
        if factored:
            factors.spread(shape, start, stop, told_y, told_x, rows, factors.FACTOR)
        else:
            factors.move_squares(parts[4], parts[1], start, stop, shares, rows, sums)
        pieces.move(parts, start, stop, shares, behind, rows, sums)
    weights, added = _first_layer(theta, times, sums, size)
    if factored:
        _tell(parts, rows_over_y, weights, added, told_y, told_x)
    first, own, last = _of_elements(weights), _of_squares(weights), _last_layer(theta, sizes)
    for start in range(0, size, _WIDTH):
        stop = min(start + _WIDTH, size)
        pieces.take(parts, start, stop, rows)
        if factored:
            factors.spread(shape, start, stop, told_y, told_x, rows, factors.PARTS)
        else:
            factors.tell_squares(parts[4], size, start, stop, own, added, rows)
        for i in range(HIDDEN):
            pieces.unit(rows, stop - start, i, tuple_of(first[i], 16), behind)
        middle = tuple_of(theta[_MIDDLE:_LAST], 20)
        pieces.step(parts[0][start:stop], rows, middle, tuple_of(last, 15), tuple_of(sizes, _SIZES))


@inlined
def _move_means(parts: Any, shape: Any, rows_over_y: bool, shares: Any, told_y: Any, told_x: Any, sums: Any) -> None:
    """Rows and columns, one gradient on; their factors; and the sums of squares of what the network sees of them."""
    outer, x, between, y, inner = shape
    squares_y, squares_x = np.zeros(told_y.shape[1]), np.zeros(told_x.shape[1])
    factors.squares(parts[1], shape, squares_y, squares_x)
    for k in range(3):
        over_y, over_x = _part(parts[4], k), _part(parts[5], k)
        factors.mix_squares(over_y, squares_y, y, shares[4 + k], shares[11 + k])
        factors.mix_squares(over_x, squares_x, x, shares[4 + k], shares[11 + k])
        if rows_over_y:
            factors.relative(over_y, outer, x, between * inner, told_y[k])
            factors.absolute(over_x, told_x[k])
        else:
            factors.absolute(over_y, told_y[k])
            factors.relative(over_x, outer * between, y, inner, told_x[k])
        # As often as each is repeated in the tensor.
        factors.add_squares_of_mean(over_y, y, sums, k + (_ROWS if rows_over_y else _COLUMNS))
        factors.add_squares_of_mean(over_x, x, sums, k + (_COLUMNS if rows_over_y else _ROWS))


@inlined
def _part(three: Any, k: int) -> Any:
    size = three.size // 3
    return three[k * size : (k + 1) * size]


@inlined
def _first_layer(theta: Any, times: Any, sums: Any, size: int) -> tuple[Any, Any]:
    """Weights [28, 4] of inputs that are not divided by their root mean squares; the bias and what time adds [4]."""
    kind = theta.dtype.type
    weights, added = np.empty((MEASURED, HIDDEN), theta.dtype), np.empty(HIDDEN, theta.dtype)
    for i in range(MEASURED):
        share = kind(1 / math.sqrt(NORM + sums[i] / size))
        for j in range(HIDDEN):
            weights[i, j] = theta[_FIRST + i * HIDDEN + j] * share
    for j in range(HIDDEN):
        added[j] = theta[_BIAS + j]
        for i in range(len(TIMES)):
            added[j] += times[i] * theta[_FIRST + (MEASURED + i) * HIDDEN + j]
    return weights, added


@inlined
def _of_elements(weights: Any) -> Any:
    """Weights of what differs from element to element, a unit a row [4, 16]."""
    found = np.empty((HIDDEN, 16), weights.dtype)
    for j in range(HIDDEN):
        for i in range(16):
            found[j, i] = weights[i if i < _ROWS else i + _SCALED - _ROWS, j]
    return found


@inlined
def _of_squares(weights: Any) -> Any:
    """Weights of squares' means that are their own rows and columns, and of 1/sqrt of them, a unit a row [4, 6]."""
    found = np.empty((HIDDEN, 6), weights.dtype)
    for j in range(HIDDEN):
        for k in range(3):
            found[j, k] = weights[_ROWS + k, j] + weights[_COLUMNS + k, j]
            found[j, 3 + k] = weights[_ROWS + _INVERSE + k, j] + weights[_COLUMNS + _INVERSE + k, j]
    return found


@inlined
def _last_layer(theta: Any, sizes: Any) -> Any:
    """Weights and biases of three heads, times the form's scales; a head that is missing is 0 [15]."""
    found, heads = np.zeros((HIDDEN + 1) * _HEADS, theta.dtype), (theta.size - _LAST) // (HIDDEN + 1)
    for i in range(HIDDEN + 1):
        for j in range(heads):
            found[i * _HEADS + j] = theta[_LAST + i * heads + j] * sizes[_SIZES + j]
    return found


@inlined
def _tell(parts: Any, rows_over_y: bool, weights: Any, added: Any, told_y: Any, told_x: Any) -> None:
    """What rows, columns and time add to the units."""
    for i in range(HIDDEN):
        told_y[factors.FACTOR + i] = added[i]
        told_x[factors.FACTOR + i] = 0
    for k in range(3):
        row, column = _ROWS + k, _COLUMNS + k
        factors.tell(_part(parts[4], k), weights, row if rows_over_y else column, told_y[factors.FACTOR :])
        factors.tell(_part(parts[5], k), weights, column if rows_over_y else row, told_x[factors.FACTOR :])
