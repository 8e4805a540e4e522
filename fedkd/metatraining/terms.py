"""What a meta-training is asked to do."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fedkd.errors import ConfigurationError
from fedkd.metatraining.families import FAMILIES
from fedkd.optimizers import Form


@dataclass(frozen=True)
class Terms:
    """Of a client's optimizer, with its defaults.

    Args:
        families: a group of particles each; a name may come again.
        particles: of a group, >= 1.
        steps: of theta, each after one truncation of all particles, >= 1.
        truncation: steps of a task between two estimates of the gradient, >= 1.
        shortest: steps of a task at least.
        longest: at most; lengths are log-uniform.
        sigma: deviation of the noise on theta, > 0.
        rate: learning rate of theta after the warm-up, > 0; then it falls to 0 as a cosine.
        warm_up: steps until then, >= 0.
        decay: decoupled weight decay of theta (AdamW), >= 0.
        clip: norm above which a gradient of theta is scaled down, > 0.
        nominal: the optimizer that theta leans on.
        nominal_step: b1, the size of its term; 0: none, with two heads.
        exponent: b2 and b4, of the learned magnitudes.
        free_step: b3, the size of the learned term.
        preconditioned: 1: the learned term is divided by the gradient's running size; 0: it is not.
        seed: of everything.
        checkpoint_every: steps between checkpoints, >= 1.
        output: folder of theta, checkpoints, and the log.
    """

    families: tuple[str, ...] = ("digits", "digits", "signals", "deep_signals", "mnist5k", "quadratics")
    particles: int = 16
    steps: int = 1000
    truncation: int = 20
    shortest: int = 100
    longest: int = 1000
    sigma: float = 0.01
    rate: float = 3e-3
    warm_up: int = 50
    decay: float = 1e-2
    clip: float = 1.0
    nominal: str = "AdamAggMo"
    nominal_step: float = 0.01
    exponent: float = 1.0
    free_step: float = 1e-5
    preconditioned: int = 1
    seed: int = 0
    checkpoint_every: int = 100
    output: str = "runs/metatrain/client"

    def __post_init__(self) -> None:
        for name in self.families:
            if name not in FAMILIES:
                known = ", ".join(FAMILIES)
                raise ConfigurationError(f"families={name}: unknown family; choose some of {known}")
        for name in ("particles", "steps", "truncation", "shortest", "checkpoint_every"):
            _least(name, getattr(self, name), 1)
        _least("number of families", len(self.families), 1)
        _least("longest", self.longest, self.shortest)
        for name in ("warm_up", "decay", "nominal_step", "exponent", "free_step", "seed"):
            _least(name, getattr(self, name), 0)
        for name in ("sigma", "rate", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigurationError(f"{name}={getattr(self, name):g} is not positive; choose {name} > 0")
        if self.preconditioned not in (0, 1):
            raise ConfigurationError(f"preconditioned={self.preconditioned} is neither 0 nor 1; choose 1")
        if not self.output:
            raise ConfigurationError("output is empty; choose the name of a folder")
        self.form()

    def form(self) -> Form:
        """That of the theta."""
        heads, known = (3, self.nominal_step) if self.nominal_step else (2, 0.0)
        exponent = self.exponent
        return Form(self.nominal, known, exponent, self.free_step, exponent, bool(self.preconditioned), heads, 0.0)  # type: ignore[arg-type]


@dataclass(frozen=True)
class ServerTerms(Terms):
    """Of a server's optimizer: a step is a round."""

    families: tuple[str, ...] = ("federated_digits", "federated_digits", "federated_digits", "federated_signals")
    particles: int = 8
    steps: int = 400
    truncation: int = 10
    shortest: int = 50
    longest: int = 500
    nominal_step: float = 0.02
    output: str = "runs/metatrain/server"


ROLES: dict[str, type[Terms]] = {"client": Terms, "server": ServerTerms}


def _least(name: str, value: float, bound: int) -> None:
    if not bound <= value < math.inf:
        raise ConfigurationError(f"{name}={value:g} is not in [{bound}, inf); choose {name} >= {bound}")
