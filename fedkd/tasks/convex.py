"""What a convex task is: closed forms on one flat vector, and its exact optimum.

Everything is a function of w [d] and the samples x [n, d], y [n]; use float64. ``weights`` [n] sum to one and
default to 1/n. The objective of N clients, F = mean_i F_i, is the same task on all samples with
``client_weights``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import torch

from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from torch import Tensor

NEWTON_STEPS = 100
HALVINGS = 60


class Optimum(NamedTuple):
    """The minimiser w* [d] and the minimum."""

    w: Tensor
    loss: float


class ConvexTask(ABC):
    """A convex objective with closed forms: a frozen value without state."""

    metrics: ClassVar[tuple[str, ...]] = ("train_loss",)

    @abstractmethod
    def loss(self, w: Tensor, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
        """Weighted mean loss, a scalar."""

    @abstractmethod
    def gradient(self, w: Tensor, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
        """Gradient of ``loss`` in w, shape [d]: one product with x each way."""

    @abstractmethod
    def hessian(self, w: Tensor, x: Tensor, weights: Tensor | None = None) -> Tensor:
        """Second derivative of ``loss`` in w, shape [d, d]."""

    @abstractmethod
    def smoothness(self, x: Tensor, weights: Tensor | None = None) -> float:
        """L: a bound on the largest eigenvalue of the Hessian at any w."""

    @abstractmethod
    def strong_convexity(self, x: Tensor, weights: Tensor | None = None) -> float:
        """mu: a bound on the smallest eigenvalue of the Hessian at any w, possibly 0."""

    @abstractmethod
    def evaluate(self, w: Tensor, x: Tensor, y: Tensor) -> dict[str, float]:
        """The loss, and the accuracy where y are labels."""

    def check_targets(self, y: Tensor) -> None:
        """Refuse targets that the loss is not made for (ConfigurationError); every number will do here."""
        return

    def optimum(self, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Optimum:
        """The minimiser to the rounding of float64, by damped Newton; of least norm where it is not unique.

        Raises:
            ConfigurationError: the loss has no minimiser (separable classes without l2), or y does not fit.
        """
        self.check_targets(y)
        x, y = x.double(), y.double()
        weights = None if weights is None else weights.double()
        w = torch.zeros(x.shape[1], dtype=torch.float64, device=x.device)
        for _ in range(NEWTON_STEPS):
            step = self._newton_step(w, x, y, weights)
            # Newton is quadratic: after a step of 1e-8 only rounding is left.
            if step.norm() <= 1e-8 * (1 + w.norm()):
                w = w - step
                return Optimum(w, self.loss(w, x, y, weights).item())
            w = w - self._damping(w, step, x, y, weights) * step
        name = type(self).__name__
        raise ConfigurationError(f"{name}: no minimiser found in {NEWTON_STEPS} Newton steps; choose l2 > 0")

    def _newton_step(self, w: Tensor, x: Tensor, y: Tensor, weights: Tensor | None) -> Tensor:
        values, vectors = torch.linalg.eigh(self.hessian(w, x, weights))
        slope = vectors.T @ self.gradient(w, x, y, weights)
        kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
        inverse = torch.where(kept, 1 / torch.where(kept, values, 1.0), 0.0)
        step: Tensor = vectors @ (inverse * slope)
        return step

    def _damping(self, w: Tensor, step: Tensor, x: Tensor, y: Tensor, weights: Tensor | None) -> float:
        here = self.loss(w, x, y, weights)
        # Near the optimum a decrease is below the rounding of the loss, which must not look like an increase.
        allowed = here + 8 * torch.finfo(here.dtype).eps * here.abs()
        factor = 1.0
        for _ in range(HALVINGS):
            if self.loss(w - factor * step, x, y, weights) <= allowed:
                break
            factor /= 2
        return factor


def client_weights(parts: Sequence[np.ndarray], samples: int) -> Tensor:
    """Sample weights that turn F = mean_i F_i over N clients into one weighted mean: 1 / (N n_i).

    Args:
        parts: Indices of every client's samples, disjoint.
        samples: Number of training samples.

    Returns:
        float64 [samples]; zero for a sample that no client holds.

    Raises:
        ConfigurationError: a client without samples.
    """
    weights = torch.zeros(samples, dtype=torch.float64)
    for client, part in enumerate(parts):
        if len(part) == 0:
            raise ConfigurationError(f"client {client} has 0 samples; choose fewer clients")
        weights[torch.as_tensor(part)] = 1 / (len(parts) * len(part))
    return weights


def weighted_mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """Mean of values [n], or their sum under weights [n]; a scalar."""
    return values.mean() if weights is None else weights @ values


def weigh(values: Tensor, weights: Tensor | None) -> Tensor:
    """Each value [n] times its weight, 1/n without weights; shape [n]."""
    return values / len(values) if weights is None else values * weights


def second_moment(x: Tensor, weights: Tensor | None) -> Tensor:
    """Weighted mean of x x^T over the samples; shape [d, d]."""
    ones = torch.ones(len(x), dtype=x.dtype, device=x.device)
    return x.T @ (x * weigh(ones, weights).unsqueeze(1))


def extreme_eigenvalues(x: Tensor, weights: Tensor | None) -> tuple[float, float]:
    """Smallest and largest eigenvalue of the second moment of x [n, d], neither below 0."""
    values = torch.linalg.eigvalsh(second_moment(x, weights))
    return max(values[0].item(), 0.0), max(values[-1].item(), 0.0)
