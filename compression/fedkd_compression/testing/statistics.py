"""Statistical laws: the moments of C(x) - x over many keys, within five standard errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd_compression.keys import Key
from fedkd_compression.testing.law import law
from fedkd_compression.testing.rows import computed

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.operators.base import Operator

DRAWS = 2000
FEW = 400
"""Draws of long rows, whose errors average over coordinates, and of operators that are given one row at a time."""
SIGMAS = 5.0
_FIRST = 200
"""Where so many draws are the same, the operator draws nothing, and these are enough."""
_NUMBERS = 100_000
"""Of all draws together, unless that gives too few."""
_DIRECTIONS = 32
_ROUNDING = 1e-4
"""Float32 rounding of a measured ratio."""
_MARGIN = 2.0**20
"""Below this multiple of the smallest normal number a row's grid would be denormal; nothing is promised there."""


@law(lambda operator, dim: operator.traits.unbiased, statistical=True)
def is_unbiased(operator: Operator, x: Tensor, key: Key) -> None:
    """E C(x) = x along random directions, and along x, within five standard errors."""
    if not _measurable(x):
        return
    exact = x.double()
    errors = (_drawn(operator, x, key) - exact) / exact.abs().max()
    signs = 2.0 * (key.fold("directions").uniforms(_DIRECTIONS * len(x)) < 0.5) - 1
    directions = torch.cat((signs.reshape(_DIRECTIONS, len(x)).double(), (exact / exact.abs().max())[None]))
    along = errors @ directions.T
    means, allowed = along.mean(0).abs(), SIGMAS * along.std(0) / len(along) ** 0.5 + _ROUNDING
    worst = int((means - allowed).argmax())
    assert means[worst] <= allowed[worst], (
        f"the mean error along a direction is {float(means[worst]):g} of the peak over {len(along)} draws; "
        f"chance allows {float(allowed[worst]):g}"
    )


@law(lambda operator, dim: dim > 0 and operator.omega(dim) is not None, statistical=True)
def omega_holds(operator: Operator, x: Tensor, key: Key) -> None:
    """E|C(x) - x|^2 <= omega |x|^2, with equality where the traits say exact."""
    omega = operator.omega(len(x))
    if omega is not None and _measurable(x):
        _holds(operator, x, key, omega, f"omega = {omega:g}", operator.traits.exact)


@law(lambda operator, dim: dim > 0 and operator.delta(dim) is not None, statistical=True)
def delta_holds(operator: Operator, x: Tensor, key: Key) -> None:
    """E|C(x) - x|^2 <= (1 - delta) |x|^2, with equality where the traits say exact and there is no omega."""
    delta = operator.delta(len(x))
    if delta is not None and _measurable(x):
        exact = operator.traits.exact and operator.omega(len(x)) is None
        _holds(operator, x, key, 1 - delta, f"1 - delta = {1 - delta:g}", exact)


def _holds(operator: Operator, x: Tensor, key: Key, bound: float, name: str, exact: bool) -> None:
    mean, error = _ratio(operator, x, key)
    slack = SIGMAS * error + _ROUNDING * (bound + _ROUNDING)
    found = f"|C(x) - x|^2 / |x|^2 = {mean:g} +- {error:g}"
    assert mean <= bound + slack, f"{found} exceeds {name}"
    assert mean >= bound - slack or not exact, f"{found} is below {name}, which is said to be exact"


def _measurable(x: Tensor) -> bool:
    """Whether a bound says anything of the row; a short one is computed in float32, of which others are measured."""
    return len(x) > 0 and x.dtype.itemsize >= 4 and float(x.abs().max()) >= torch.finfo(x.dtype).tiny * _MARGIN


def _drawn(operator: Operator, x: Tensor, key: Key) -> Tensor:
    """Received rows, float64 [draws, d], each from a key of its own."""
    count = FEW if operator.traits.ragged else max(FEW, min(DRAWS, _NUMBERS // len(x)))
    keys = key.fold("draws").spread(count).rows
    first = _sent(operator, x, Key(keys[:_FIRST]))
    if torch.equal(first, first[:1].expand_as(first)):
        return first
    return torch.cat((first, _sent(operator, x, Key(keys[_FIRST:]))))


def _sent(operator: Operator, x: Tensor, keys: Key) -> Tensor:
    rows = computed(x).repeat(len(keys.rows), 1)
    if operator.traits.ragged:
        alone = [operator.transmit(rows[i : i + 1], keys.row(i))[1] for i in range(len(rows))]
        return torch.cat(alone).double()
    return operator.transmit(rows, keys)[1].double()


def _ratio(operator: Operator, x: Tensor, key: Key) -> tuple[float, float]:
    """Mean of |C(x) - x|^2/|x|^2 and its standard error."""
    exact = x.double()
    # Divided by the largest coordinate, so that squares of tiny and huge ones stay in range.
    scaled = (_drawn(operator, x, key) - exact) / exact.abs().max()
    ratios = scaled.square().sum(1) / (exact / exact.abs().max()).square().sum()
    return float(ratios.mean()), float(ratios.std()) / len(ratios) ** 0.5
