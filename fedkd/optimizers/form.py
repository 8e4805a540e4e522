"""What a learned update is made of, before anything is learned: its nominal term, its network's outputs, its scales."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from fedkd.errors import ConfigurationError

Nominal = Literal["SGD", "SGDM", "AggMo", "Adam", "AdamAggMo"]

MOMENTA = (0.9, 0.99, 0.999)
SECOND = (0.999,)
FACTORED = (0.9, 0.99, 0.999)
DECAYS = (*MOMENTA, *SECOND, *FACTORED)
TIMES = (1e0, 3e0, 1e1, 3e1, 1e2, 3e2, 1e3, 3e3, 1e4, 3e4, 1e5)
MEASURED = 28
"""Inputs that are measured on a tensor; the others tell the time."""
INPUTS = MEASURED + len(TIMES)
HIDDEN = 4


@dataclass(frozen=True)
class Form:
    """The update f = f_b + f_g, then p - f - weight_decay p.

    f_g = nominal_step exp(nominal_exponent m_g) g_nom: a known optimizer's direction, whose size alone is learned;
    f_b = free_step d exp(free_exponent m_b), divided by sqrt(v + 1e-6) if preconditioned: a learned direction.
    d, m_b and m_g are the outputs of a small network for each parameter. Source: Harrison, Metz, Sohl-Dickstein, "A
    Closer Look at Learned Optimization" (NeurIPS 2022).

    Args:
        nominal: g_nom: the gradient (SGD), its mean at decay .9 (SGDM), the mean over decays .9, .99 and .999
            (AggMo); the last two divided by sqrt(v + 1e-6) (Adam, AdamAggMo).
        nominal_step: b1, > 0; 0 leaves the nominal term away.
        nominal_exponent: b2, >= 0.
        free_step: b3, >= 0; 0 leaves the learned direction away.
        free_exponent: b4, >= 0.
        preconditioned: whether the learned direction is divided too.
        heads: outputs of the network; with 2 there is no m_g, it is 0.
        weight_decay: share of a parameter that every step takes from it, in [0, 1).

    Example:
        >>> STAR_FORM.size, BLACK_BOX.size
        (202, 197)
    """

    nominal: Nominal
    nominal_step: float
    nominal_exponent: float
    free_step: float
    free_exponent: float
    preconditioned: bool
    heads: Literal[2, 3]
    weight_decay: float

    def __post_init__(self) -> None:
        if self.nominal not in get_args(Nominal):
            known = ", ".join(get_args(Nominal))
            raise ConfigurationError(f"Form: nominal={self.nominal} is unknown; choose one of {known}")
        if self.heads not in (2, 3):
            raise ConfigurationError(f"Form: heads={self.heads} is neither 2 nor 3; choose heads = 3")
        for name in ("nominal_step", "nominal_exponent", "free_step", "free_exponent"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigurationError(f"Form: {name}={getattr(self, name):g} is not in [0, inf); choose {name} >= 0")
        if not 0 <= self.weight_decay < 1:
            raise ConfigurationError(f"Form: weight_decay={self.weight_decay:g} is outside [0, 1); choose 0")

    @property
    def layers(self) -> tuple[tuple[int, int], ...]:
        """Inputs and outputs of the network's layers."""
        return (INPUTS, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, self.heads)

    @property
    def size(self) -> int:
        """Numbers to be learned: the offsets of the decays, weights, biases."""
        return len(DECAYS) + sum((inputs + 1) * outputs for inputs, outputs in self.layers)


STAR_FORM = Form("AdamAggMo", 0.01, 1.0, 1e-5, 1.0, preconditioned=True, heads=3, weight_decay=0.0)
BLACK_BOX = Form("AdamAggMo", 0.0, 1.0, 1e-3, 1.0, preconditioned=False, heads=2, weight_decay=0.0)
"""The same network with nothing to lean on: its output is the step."""
