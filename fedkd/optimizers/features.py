"""What the network sees of every parameter: 28 measured numbers, and what time it is."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch

from fedkd.optimizers.form import TIMES
from fedkd.optimizers.moments import Moments, factored

if TYPE_CHECKING:
    from torch import Tensor

EPSILON = 1e-6
"""Added to the second moment before its root."""
SMALL = 1e-8
"""Added to rows and columns before theirs."""
LEAST = 1e-9
"""Factors are roots of no less."""
NORM = 1e-5
"""Added to an input's mean square before its root."""


def measured(parameter: Tensor, gradient: Tensor, moments: Moments) -> Tensor:
    """The measured inputs [28, *s] of a tensor [*s], from its gradient and from moments that have seen it.

    With m the momenta, v the second moment, R and C rows and columns, r = 1/sqrt(v + 1e-6), and the factor
    F = 1 / sqrt(R / mean R) / sqrt(C):  g, p, m (3), v, m r (3), r, g F (3), R (3), C (3), 1/sqrt(R) (3),
    1/sqrt(C) (3), m F (3). Of a vector, R and C are the square's mean V, and F = 1/sqrt(V). Each is then divided by its
    root mean square over the tensor.
    """
    root = (moments.second + EPSILON).rsqrt()
    scaled = moments.momenta * root
    rows, columns, on_gradient, on_momenta = _factors(gradient, moments)
    inputs = torch.cat(
        (
            gradient[None],
            parameter[None],
            moments.momenta,
            moments.second[None],
            scaled,
            root[None],
            gradient * on_gradient,
            *(part.expand(3, *gradient.shape) for part in (rows, columns)),
            *((part + SMALL).rsqrt().expand(3, *gradient.shape) for part in (rows, columns)),
            moments.momenta * on_momenta,
        )
    )
    return inputs * (NORM + inputs.reshape(len(inputs), -1).square().mean(1)).rsqrt().view(-1, *[1] * gradient.ndim)


def time_of(step: int | Tensor, like: Tensor) -> Tensor:
    """The time's inputs tanh(step / tau - 1) for eleven tau from 1 to 100,000 [11]; the first step is 0."""
    return torch.tanh(step / _clocks(like.dtype, like.device) - 1)


@cache
def _clocks(kind: torch.dtype, device: torch.device) -> Tensor:
    """Tau [11]; kept, since a step that is recorded may not bring numbers to its device."""
    return torch.tensor(TIMES, dtype=kind, device=device)


def _factors(gradient: Tensor, moments: Moments) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rows and columns as they are broadcast to [3, *s], and the factors of the gradient and of the momenta."""
    axes = factored(gradient.shape)
    rows, columns = moments.rows, moments.columns
    if axes is None:
        return rows, rows, (rows + LEAST).clamp(min=LEAST).rsqrt(), (rows + EPSILON).rsqrt()
    longest, other = axes
    # Rows lack the longest axis; the other's place among those left.
    place = other - (other > longest)
    relative = rows / (rows.mean(1 + place, keepdim=True) + LEAST)
    rows_wide, columns_wide = rows.unsqueeze(1 + longest), columns.unsqueeze(1 + other)
    factor = relative.clamp(min=LEAST).rsqrt().unsqueeze(1 + longest) * columns_wide.clamp(min=LEAST).rsqrt()
    return rows_wide, columns_wide, factor, factor
