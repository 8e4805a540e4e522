"""Choosing an operator's parameter: for so many bits a coordinate, for an omega, or for a stable step size.

at_bits(SubtractiveDither, 1.5, dim=100_000)        the finest step that costs at most 1.5 bits a coordinate
at_omega(RandK, 0.5, dim=1000)                      the cheapest setting with omega <= 0.5
at_omega(SubtractiveDither, stable_omega(step_size=0.1, smoothness=4.0), dim=1000)
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch

from fedkd_compression.compressor import compress
from fedkd_compression.errors import OperatorError
from fedkd_compression.keys import Key
from fedkd_compression.operators import (
    EDEN,
    QSGD,
    CountSketch,
    DeadZone,
    LowRank,
    Operator,
    RandK,
    RandP,
    SubtractiveDither,
    TopK,
)

if TYPE_CHECKING:
    from torch import Tensor

    Family: TypeAlias = "type[Operator] | Dial"

_SAMPLE = 1 << 16
_STEPS = 24
_EDGE, _FAILURE = 2.0, 3.0


class StabilityWarning(UserWarning):
    """A step size times smoothness times omega at which compressed steps slow down, or fail."""


@dataclass(frozen=True)
class Dial:
    """One parameter of an operator, from the finest setting to the coarsest: bits fall and errors grow along it.

    Args:
        make: the operator at a setting.
        finest: a setting.
        coarsest: a setting.
        whole: whether settings are whole numbers.

    Example:
        >>> Dial(lambda k: Compose(RandK(k=int(k)), SubtractiveDither(step=1.0)), finest=1000, coarsest=1, whole=True)
    """

    make: Callable[[float], Operator]
    finest: float
    coarsest: float
    whole: bool = False

    def at(self, share: float) -> Operator:
        """The operator at a share of the way, in [0, 1], from finest to coarsest, in equal ratios."""
        setting = self.finest * (self.coarsest / self.finest) ** share
        return self.make(round(setting) if self.whole else setting)


def dial(family: Family, dim: int) -> Dial:
    """The parameter that sets the rate of one of the package's operators.

    Raises:
        OperatorError: the class has none that is known here; give a ``Dial`` of your own.
    """
    if isinstance(family, Dial):
        return family
    finest_step = max(2.0**-12, dim**0.5 * 2.0**-22)
    known: dict[type[Operator], Dial] = {
        SubtractiveDither: Dial(lambda step: SubtractiveDither(step=step), finest_step, 64.0),
        DeadZone: Dial(lambda step: DeadZone(step=step), finest_step, 64.0),
        QSGD: Dial(lambda levels: QSGD(levels=int(levels)), 1 << 16, 1, whole=True),
        EDEN: Dial(lambda bits: EDEN(bits=int(bits)), 4, 1, whole=True),
        RandK: Dial(lambda k: RandK(k=int(k)), max(dim, 1), 1, whole=True),
        TopK: Dial(lambda k: TopK(k=int(k)), max(dim, 1), 1, whole=True),
        RandP: Dial(lambda probability: RandP(probability=probability), 1.0, 1 / max(dim, 1)),
        CountSketch: Dial(lambda columns: CountSketch(columns=int(columns)), 64 * max(dim, 1), 1, whole=True),
        LowRank: Dial(lambda rank: LowRank(rank=int(rank)), max(math.isqrt(dim), 1), 1, whole=True),
    }
    if family not in known:
        raise OperatorError(f"rates: {family.__name__} has no known parameter; give a Dial, or one of {_names(known)}")
    return known[family]


def at_bits(family: Family, bits: float, dim: int, rows: Tensor | None = None) -> Operator:
    """The finest setting whose messages cost at most ``bits`` a coordinate.

    The messages are made and measured: whole frames, headers included.

    Args:
        family: a class of this package, or a ``Dial``.
        bits: a coordinate, > 0.
        dim: dimension of the rows to come.
        rows: rows [n, dim] like those to come; one Gaussian row when None, cut to 2^16 coordinates for families whose
            parameter does not depend on the dimension.

    Raises:
        OperatorError: even the coarsest setting costs more.

    Example:
        >>> at_bits(SubtractiveDither, 2.11, dim=100_000).omega(100_000)     # about 1/12
    """
    sample = _gaussian(family, dim) if rows is None else rows
    key = Key.of(0, "rates").spread(len(sample))

    def cost(operator: Operator) -> float:
        return 8 * sum(map(len, compress(operator, sample, key)[0])) / max(sample.numel(), 1)

    return _finest(dial(family, dim), lambda operator: cost(operator) <= bits, f"{bits:g} bits a coordinate", dim)


def at_omega(family: Family, omega: float, dim: int) -> Operator:
    """The coarsest setting of an unbiased operator with at most this omega.

    Args:
        family: a class of this package, or a ``Dial``.
        omega: > 0.
        dim: dimension of the rows.

    Raises:
        OperatorError: the operator is biased, or even the finest setting has a larger omega.
    """
    if dial(family, dim).at(0.0).omega(dim) is None:
        raise OperatorError(f"rates: {_name(family)} has no omega; choose an unbiased operator, or at_delta")
    return _coarsest(dial(family, dim), lambda operator: (operator.omega(dim) or 0.0) <= omega, f"omega={omega:g}", dim)


def at_delta(family: Family, delta: float, dim: int) -> Operator:
    """The coarsest setting of a contractive operator with at least this delta, in (0, 1]; as ``at_omega``."""
    if dial(family, dim).at(0.0).delta(dim) is None:
        raise OperatorError(f"rates: {_name(family)} has no delta; choose a contractive operator, or at_omega")
    return _coarsest(dial(family, dim), lambda operator: (operator.delta(dim) or 0.0) >= delta, f"delta={delta:g}", dim)


def stable_omega(step_size: float, smoothness: float) -> float:
    """The largest omega of a downlink that costs nothing: gamma L omega = 1.

    Measured on MCM: gamma L omega <= 1 costs nothing against uplink compression alone; 2 to 2.5 is the edge; above 3 it
    fails.

    Args:
        step_size: gamma > 0.
        smoothness: L > 0, the largest curvature of the objective.
    """
    if not step_size > 0 or not smoothness > 0:
        raise OperatorError(f"stable_omega: step_size={step_size} and smoothness={smoothness} must both be above 0")
    return 1 / (step_size * smoothness)


def check_stability(operator: Operator, dim: int, step_size: float, smoothness: float) -> float:
    """The product gamma L omega of a downlink, with a ``StabilityWarning`` above 1; 0 for a biased operator."""
    product = (operator.omega(dim) or 0.0) / stable_omega(step_size, smoothness)
    if product > 1:
        fate = "slows down" if product <= _EDGE else "is at the edge of" if product <= _FAILURE else "fails by"
        least = stable_omega(step_size, smoothness)
        warnings.warn(
            f"{operator}: step_size * smoothness * omega = {product:.3g} exceeds 1, training {fate} divergence; "
            f"choose omega <= {least:.3g}, for example a SubtractiveDither, whose omega does not grow with dim={dim}",
            StabilityWarning,
            stacklevel=2,
        )
    return product


def _finest(dial: Dial, fits: Callable[[Operator], bool], wanted: str, dim: int) -> Operator:
    """The first setting along the dial that fits, where all behind one that fits do."""
    if fits(dial.at(0.0)):
        return dial.at(0.0)
    if not fits(dial.at(1.0)):
        raise OperatorError(f"rates: {dial.at(1.0)} misses {wanted} at dim={dim}, and is the coarsest; ask for more")
    return _border(dial, lambda operator: not fits(operator))[1]


def _coarsest(dial: Dial, fits: Callable[[Operator], bool], wanted: str, dim: int) -> Operator:
    """The last setting along the dial that fits, where all before one that fits do."""
    if fits(dial.at(1.0)):
        return dial.at(1.0)
    if not fits(dial.at(0.0)):
        raise OperatorError(f"rates: {dial.at(0.0)} misses {wanted} at dim={dim}, and is the finest; ask for less")
    return _border(dial, fits)[0]


def _border(dial: Dial, holds: Callable[[Operator], bool]) -> tuple[Operator, Operator]:
    """The last setting for which something holds, and the first for which it does not, to one part in 2^24."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(dial.at(middle)) else (low, middle)
        if dial.at(low) == dial.at(high):
            break
    return dial.at(low), dial.at(high)


def _gaussian(family: Family, dim: int) -> Tensor:
    free = family in (SubtractiveDither, DeadZone, EDEN)
    size = min(dim, _SAMPLE) if free else dim
    return torch.from_numpy(Key.of(0, "rates", "rows").generator().standard_normal((1, size))).float()


def _name(family: Family) -> str:
    return "the Dial" if isinstance(family, Dial) else family.__name__


def _names(known: dict[type[Operator], Dial]) -> str:
    return ", ".join(cls.__name__ for cls in known)
