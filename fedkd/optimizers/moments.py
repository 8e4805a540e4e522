"""What is remembered of a tensor's gradients: running means, of the gradient, its square, and its square's factors.

A tensor of two or more dimensions is factored over its two longest (of equal ones the later counts as longer): rows are
means over the longest, columns over the other. Others keep the square at all decays in place of rows.
Shapes, of a tensor [*s]: momenta [3, *s], second [*s], rows [3, *s without the longest], columns [3, *s without the
other]; of a vector or a scalar rows [3, *s], columns [3, 0]. Nothing is corrected for its start at zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.optimizers.theta import Theta

COUNT = 3
"""Decays of momenta, and of factored squares."""
TINY = 1e-30
"""Added to squares before they are factored."""


class Moments(NamedTuple):
    """Of one tensor; or, with one more dimension before, of that tensor in several models."""

    momenta: Tensor
    second: Tensor
    rows: Tensor
    columns: Tensor


def factored(shape: Sequence[int]) -> tuple[int, int] | None:
    """The longest and the second longest dimension; None of a vector or a scalar.

    Example:
        >>> factored((32, 16, 3, 3)), factored((10,))
        ((0, 1), None)
    """
    if len(shape) < 2:
        return None
    *_, other, longest = sorted(range(len(shape)), key=lambda axis: shape[axis])
    return longest, other


def before(like: Tensor, models: int | None = None) -> Moments:
    """Zeros for a tensor [*s], in its type, on its device, in the order in which it lies in memory.

    Args:
        like: the tensor; with ``models`` of any of them [models, *s].
        models: how many at once; None: one, without a dimension for it.
    """
    lead = () if models is None else (models,)
    one = like if models is None else like[0]
    order = sorted(range(one.ndim), key=one.stride, reverse=True)

    def zeros(*count: int, without: int | None = None) -> Tensor:
        axes = [axis for axis in order if axis != without]
        lying = like.new_zeros((*lead, *count, *[one.shape[axis] for axis in axes]))
        first = len(lead) + len(count)
        rank = sorted(range(len(axes)), key=lambda place: axes[place])
        return lying.permute((*range(first), *[first + place for place in rank]))

    axes = factored(one.shape)
    if axes is None:
        return Moments(zeros(COUNT), zeros(), zeros(COUNT), like.new_zeros((*lead, COUNT, 0)))
    return Moments(zeros(COUNT), zeros(), zeros(COUNT, without=axes[0]), zeros(COUNT, without=axes[1]))


def moved(theta: Theta, moments: Moments, gradient: Tensor) -> Moments:
    """All means one gradient [*s] on."""
    square = gradient * gradient
    axes = factored(gradient.shape)
    floor = square + TINY
    momenta = _mix(theta.momenta, moments.momenta, gradient)
    second = theta.second * moments.second + (1 - theta.second) * square
    if axes is None:
        return Moments(momenta, second, _mix(theta.factored, moments.rows, floor), moments.columns)
    longest, other = axes
    rows = _mix(theta.factored, moments.rows, floor.mean(longest))
    return Moments(momenta, second, rows, _mix(theta.factored, moments.columns, floor.mean(other)))


def _mix(decays: Tensor, mean: Tensor, value: Tensor) -> Tensor:
    shares = decays.reshape(-1, *[1] * value.ndim)
    return shares * mean + (1 - shares) * value
