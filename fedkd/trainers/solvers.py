"""How a client moves: local steps, or one gradient at the received model.

Local solvers return the pseudo-gradient x - local, in units of the model: with a server step size of 1
the server averages local models (FedAvg). ``Gradient`` returns the gradient itself, the g_i of MCM.
Operators are scale-equivariant, so dividing by the local step size would change no message.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedkd.errors import ConfigurationError
from fedkd.trainers.descents import AdamDescent, Descent, MeanGradient, MomentumDescent, PlainDescent

if TYPE_CHECKING:
    from fedkd.vectors import Flat


class Solver(ABC):
    """A rule for a client's update; frozen, its state lives in a descent, for one update."""

    @abstractmethod
    def start(self, flat: Flat) -> Descent:
        """The update of one client, or of several at once, that hold the received model in ``flat``."""

    @abstractmethod
    def unit(self, steps: float) -> float:
        """About how many gradients an update of so many steps is: divided by it, an update is about one."""


@dataclass(frozen=True)
class Gradient(Solver):
    """g_i: the mean gradient over the batches, all taken at x."""

    def start(self, flat: Flat) -> Descent:
        """The parameters stay where they are."""
        return MeanGradient(flat)

    def unit(self, steps: float) -> float:
        """It is one, of any number of batches."""
        return 1.0


@dataclass(frozen=True)
class Sgd(Solver):
    """Local SGD: m = momentum m + g + weight_decay w + proximal (w - x); w -= learning_rate m.

    Args:
        learning_rate: of a step, > 0.
        momentum: in [0, 1).
        weight_decay: weight of |w|^2 / 2, >= 0.
        proximal: mu, weight of |w - x|^2 / 2 with x the received model, >= 0. Source: Li et al., FedProx (2020).
    """

    learning_rate: float
    momentum: float
    weight_decay: float
    proximal: float

    def __post_init__(self) -> None:
        _check_rate("Sgd", self.learning_rate)
        if not 0 <= self.momentum < 1:
            raise ConfigurationError(f"Sgd: momentum={self.momentum:g} is outside [0, 1); choose momentum = 0.9")
        _check_weights("Sgd", weight_decay=self.weight_decay, proximal=self.proximal)

    def start(self, flat: Flat) -> Descent:
        """Without momentum no gradient needs to be kept."""
        if self.momentum:
            return MomentumDescent(flat, self.learning_rate, self.momentum, self.weight_decay, self.proximal)
        return PlainDescent(flat, self.learning_rate, self.weight_decay, self.proximal)

    def unit(self, steps: float) -> float:
        """Rate (k - m (1 - m^k) / (1 - m)) / (1 - m) after k steps with momentum m, of gradients that are alike.

        Momentum begins at 0: few steps go less far than k / (1 - m).
        """
        m = self.momentum
        return self.learning_rate * (steps - m * (1 - float(m**steps)) / (1 - m)) / (1 - m)


@dataclass(frozen=True)
class Adam(Solver):
    """Local Adam with decoupled weight decay (torch.optim.AdamW), started afresh for every update.

    ``proximal`` is that of ``Sgd``: a part of the gradient, hence of both moments.
    """

    learning_rate: float
    beta1: float
    beta2: float
    epsilon: float
    weight_decay: float
    proximal: float

    def __post_init__(self) -> None:
        _check_rate("Adam", self.learning_rate)
        for name, value in (("beta1", self.beta1), ("beta2", self.beta2)):
            if not 0 <= value < 1:
                raise ConfigurationError(f"Adam: {name}={value:g} is outside [0, 1); choose {name} = 0.9")
        if not 0 < self.epsilon < math.inf:
            raise ConfigurationError(f"Adam: epsilon={self.epsilon:g} is not positive; choose epsilon = 1e-8")
        _check_weights("Adam", weight_decay=self.weight_decay, proximal=self.proximal)

    def start(self, flat: Flat) -> Descent:
        """Both moments are zero."""
        betas = (self.beta1, self.beta2)
        return AdamDescent(flat, self.learning_rate, betas, self.epsilon, self.weight_decay, self.proximal)

    def unit(self, steps: float) -> float:
        """Steps x learning_rate: its directions are of size 1, whatever the gradients are, and so is the quotient."""
        return steps * self.learning_rate


def _check_rate(owner: str, rate: float) -> None:
    if not rate > 0:
        raise ConfigurationError(f"{owner}: learning_rate={rate:g} is not positive; choose learning_rate > 0")


def _check_weights(owner: str, **weights: float) -> None:
    for name, value in weights.items():
        if not 0 <= value < math.inf:
            raise ConfigurationError(f"{owner}: {name}={value:g} is not in [0, inf); choose {name} >= 0")
