"""How a client moves: local steps, or one gradient at the received model.

Local solvers return the pseudo-gradient x - local, in units of the model: with a server step size of 1
the server averages local models (FedAvg). ``Gradient`` returns the gradient itself, the g_i of MCM.
Operators are scale-equivariant, so dividing by the local step size would change no message.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.base import Batch
    from fedkd.tasks.learner import Learner


class Solver(ABC):
    """A rule for a client's update; frozen, its state lives for one update."""

    @abstractmethod
    def update(self, learner: Learner, x: Tensor, batches: Iterable[Batch]) -> Tensor:
        """The update [d] of one client from the received model x [d]; the learner holds x already."""


@dataclass(frozen=True)
class Gradient(Solver):
    """g_i: the mean gradient over the batches, all taken at x."""

    def update(self, learner: Learner, x: Tensor, batches: Iterable[Batch]) -> Tensor:
        """Running mean of the gradients with the batches' sizes as weights; one batch gives its gradient, exactly."""
        mean, samples = torch.zeros_like(x), 0
        for batch in batches:
            flat = torch.cat([gradient.reshape(-1) for gradient in learner.gradients(batch)])
            samples += len(batch.y)
            mean.add_(flat - mean, alpha=len(batch.y) / samples)
        return mean


@dataclass(frozen=True)
class Sgd(Solver):
    """Local SGD: m = momentum m + g + weight_decay w; w -= learning_rate m."""

    learning_rate: float
    momentum: float
    weight_decay: float

    def __post_init__(self) -> None:
        _check_rate("Sgd", self.learning_rate)
        if not 0 <= self.momentum < 1:
            raise ConfigurationError(f"Sgd: momentum={self.momentum:g} is outside [0, 1); choose momentum = 0.9")
        _check_decay("Sgd", self.weight_decay)

    def update(self, learner: Learner, x: Tensor, batches: Iterable[Batch]) -> Tensor:
        """Step through the batches; plain SGD is one in-place addition a parameter."""
        velocity: list[Tensor] = []
        for batch in batches:
            direction = self._direction(learner, learner.gradients(batch), velocity)
            for parameter, change in zip(learner.parameters, direction, strict=True):
                parameter.data.add_(change, alpha=-self.learning_rate)
        return x - learner.vector

    def _direction(self, learner: Learner, gradients: list[Tensor], velocity: list[Tensor]) -> list[Tensor]:
        if self.weight_decay:
            for gradient, parameter in zip(gradients, learner.parameters, strict=True):
                gradient.add_(parameter.data, alpha=self.weight_decay)
        if not self.momentum:
            return gradients
        if not velocity:
            velocity.extend(gradients)
        else:
            for kept, gradient in zip(velocity, gradients, strict=True):
                kept.mul_(self.momentum).add_(gradient)
        return velocity


@dataclass(frozen=True)
class Adam(Solver):
    """Local Adam with decoupled weight decay (torch.optim.AdamW), started afresh for every update."""

    learning_rate: float
    beta1: float
    beta2: float
    epsilon: float
    weight_decay: float

    def __post_init__(self) -> None:
        _check_rate("Adam", self.learning_rate)
        for name, value in (("beta1", self.beta1), ("beta2", self.beta2)):
            if not 0 <= value < 1:
                raise ConfigurationError(f"Adam: {name}={value:g} is outside [0, 1); choose {name} = 0.9")
        _check_decay("Adam", self.weight_decay)

    def update(self, learner: Learner, x: Tensor, batches: Iterable[Batch]) -> Tensor:
        """Step through the batches."""
        optimizer = torch.optim.AdamW(
            learner.parameters,
            lr=self.learning_rate,
            betas=(self.beta1, self.beta2),
            eps=self.epsilon,
            weight_decay=self.weight_decay,
        )
        for batch in batches:
            for parameter, gradient in zip(learner.parameters, learner.gradients(batch), strict=True):
                parameter.grad = gradient
            optimizer.step()
        for parameter in learner.parameters:
            parameter.grad = None
        return x - learner.vector


def _check_rate(owner: str, rate: float) -> None:
    if not rate > 0:
        raise ConfigurationError(f"{owner}: learning_rate={rate:g} is not positive; choose learning_rate > 0")


def _check_decay(owner: str, decay: float) -> None:
    if decay < 0:
        raise ConfigurationError(f"{owner}: weight_decay={decay:g} is negative; choose weight_decay >= 0")
