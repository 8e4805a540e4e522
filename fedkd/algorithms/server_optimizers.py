"""How the server turns the mean update G into a step s; the model then moves by w - s.

Source of Adam and Yogi: Reddi et al., "Adaptive Federated Optimization" (no bias correction).
G [d] is a gradient, or the pseudo-gradient x - local of local training, for which a step size of 1 is
FedAvg. Optimizer state is an explicit mapping of tensors, as a rule of vectors [d].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression import Named

OptimizerState = Mapping[str, "Tensor"]


class ServerOptimizer(ABC):
    """A rule G -> s with explicit state."""

    @abstractmethod
    def start(self, model: Tensor) -> OptimizerState:
        """The state before the first step."""

    @abstractmethod
    def step(self, mean: Tensor, state: OptimizerState, model: Tensor) -> tuple[Tensor, OptimizerState]:
        """The step s [d] to subtract from the model, and the new state; nothing is changed in place.

        Args:
            mean: G [d].
            state: of ``start``, or what the last step gave.
            model: w [d], on which most rules' steps do not depend.
        """

    def shaped(self, tensors: Sequence[Named], unit: float) -> ServerOptimizer:
        """The rule as a run needs it; most rules do not care.

        Args:
            tensors: models are these, laid end to end.
            unit: about how many gradients G is (``Solver.unit``).
        """
        return self


@dataclass(frozen=True)
class Sgd(ServerOptimizer):
    """s = step_size G."""

    step_size: float

    def __post_init__(self) -> None:
        _positive("Sgd", step_size=self.step_size)

    def start(self, model: Tensor) -> OptimizerState:
        """Nothing to remember."""
        return {}

    def step(self, mean: Tensor, state: OptimizerState, model: Tensor) -> tuple[Tensor, OptimizerState]:
        """Scale G."""
        return mean * self.step_size, state


@dataclass(frozen=True)
class Momentum(ServerOptimizer):
    """m = momentum m + G; s = step_size m (FedAvgM)."""

    step_size: float
    momentum: float

    def __post_init__(self) -> None:
        _positive("Momentum", step_size=self.step_size)
        _below_one("Momentum", momentum=self.momentum)

    def start(self, model: Tensor) -> OptimizerState:
        """M = 0."""
        return {"momentum": torch.zeros_like(model)}

    def step(self, mean: Tensor, state: OptimizerState, model: Tensor) -> tuple[Tensor, OptimizerState]:
        """Heavy-ball step."""
        momentum = state["momentum"] * self.momentum + mean
        return momentum * self.step_size, {"momentum": momentum}


@dataclass(frozen=True)
class Adam(ServerOptimizer):
    """m = b1 m + (1-b1) G; v = b2 v + (1-b2) G^2; s = step_size m / (sqrt(v) + epsilon) (FedAdam)."""

    step_size: float
    beta1: float
    beta2: float
    epsilon: float

    def __post_init__(self) -> None:
        _positive(type(self).__name__, step_size=self.step_size, epsilon=self.epsilon)
        _below_one(type(self).__name__, beta1=self.beta1, beta2=self.beta2)

    def start(self, model: Tensor) -> OptimizerState:
        """M = v = 0."""
        return {"first": torch.zeros_like(model), "second": torch.zeros_like(model)}

    def step(self, mean: Tensor, state: OptimizerState, model: Tensor) -> tuple[Tensor, OptimizerState]:
        """Adaptive step."""
        first = state["first"] * self.beta1 + mean * (1 - self.beta1)
        second = self.second(state["second"], mean * mean)
        return self.step_size * first / (second.sqrt() + self.epsilon), {"first": first, "second": second}

    def second(self, second: Tensor, square: Tensor) -> Tensor:
        """The second moment after a squared G."""
        return second * self.beta2 + square * (1 - self.beta2)


@dataclass(frozen=True)
class Yogi(Adam):
    """Adam with v = v - (1-b2) G^2 sign(v - G^2) (FedYogi)."""

    def second(self, second: Tensor, square: Tensor) -> Tensor:
        """The second moment moves by at most (1-b2) G^2."""
        return second - (1 - self.beta2) * square * torch.sign(second - square)


@dataclass(frozen=True)
class Carrying(ServerOptimizer):
    """A rule for parameters; what travels behind them, though no gradient moves it, becomes the clients' mean: s = G.

    Running statistics that were moved by any other step would be no statistics: variances would become negative.

    Args:
        rule: of the parameters.
        carried: coordinates behind them, >= 1.
    """

    rule: ServerOptimizer
    carried: int

    def start(self, model: Tensor) -> OptimizerState:
        """The rule's, of the parameters."""
        return self.rule.start(model[: -self.carried])

    def step(self, mean: Tensor, state: OptimizerState, model: Tensor) -> tuple[Tensor, OptimizerState]:
        """The rule's step, and behind it G."""
        step, after = self.rule.step(mean[: -self.carried], state, model[: -self.carried])
        return torch.cat((step, mean[-self.carried :])), after


def _positive(owner: str, **values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ConfigurationError(f"{owner}: {name}={value:g} is not positive; choose {name} > 0")


def _below_one(owner: str, **values: float) -> None:
    for name, value in values.items():
        if not 0 <= value < 1:
            raise ConfigurationError(f"{owner}: {name}={value:g} is outside [0, 1); choose {name} = 0.9")
