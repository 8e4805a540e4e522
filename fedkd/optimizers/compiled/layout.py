"""How tensors lie in memory, so that loops may take them element by element."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from fedkd.optimizers.moments import factored

Lying = tuple[tuple[int, ...], tuple[int, ...]]
"""A shape and its strides."""


class Facts(NamedTuple):
    """What loops need to know of a tensor.

    Args:
        size: its elements, of one model.
        rows_over_y: whether rows are means over y, the later of the two factored dimensions in memory; so are squares'
            means without factors.
        gradient_lies: whether its gradient has the same order in memory.
        numbers: the size, whether it is factored, whether rows are means over y, its shape in memory; see ``advance``.
    """

    size: int
    rows_over_y: bool
    gradient_lies: bool
    numbers: tuple[int, ...]


@lru_cache(maxsize=4096)
def facts_of(
    lead: int, parameter: Lying, gradient: Lying, momenta: Lying, second: Lying, rows: Lying, columns: Lying
) -> Facts | None:
    """Facts of tensors with so many dimensions before; None where moments do not lie as ``before`` would have them."""
    shape, order = parameter[0][lead:], order_of(parameter, lead)
    axes = factored(shape)

    def decays_of(without: int | None) -> list[int]:
        """The order of moments at several decays, which may lack a dimension."""
        return [0, *[1 + axis - (without is not None and axis > without) for axis in order if axis != without]]

    dense = lies(parameter, lead, order) and lies(second, lead, order) and lies(momenta, lead, decays_of(None))
    if not (dense and lies(rows, lead, decays_of(axes and axes[0]))):
        return None
    if axes and not lies(columns, lead, decays_of(axes[1])):
        return None
    size, gradient_lies = math.prod(shape), lies(gradient, lead, order)
    if axes is None:
        return Facts(size, True, gradient_lies, (size, 0, 1, 1, size, 1, 1, 1))
    sizes = [shape[axis] for axis in order]
    x, y = sorted(order.index(axis) for axis in axes)
    lying = (math.prod(sizes[:x]), sizes[x], math.prod(sizes[x + 1 : y]), sizes[y], math.prod(sizes[y + 1 :]))
    over_y = order[y] == axes[0]
    return Facts(size, over_y, gradient_lies, (size, 1, int(over_y), *lying))


def order_of(lying: Lying, lead: int) -> list[int]:
    """The dimensions of one model, outermost in memory first."""
    strides = lying[1][lead:]
    return sorted(range(len(strides)), key=strides.__getitem__, reverse=True)


def lies(lying: Lying, lead: int, order: Sequence[int]) -> bool:
    """Whether elements are dense in this order."""
    shape, strides = (part[lead:] for part in lying)
    if 0 in shape:
        return True
    expected = 1
    for axis in reversed(order):
        if shape[axis] != 1 and strides[axis] != expected:
            return False
        expected *= shape[axis]
    return True
