"""Binary logistic regression with a ridge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from fedkd.errors import ConfigurationError
from fedkd.tasks.checks import require_not_negative
from fedkd.tasks.convex import ConvexTask, extreme_eigenvalues, second_moment, weigh, weighted_mean

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Logistic(ConvexTask):
    """F(w) = mean_j log(1 + exp(-y_j x_j . w)) + l2/2 |w|^2, with labels y_j in {-1, +1}.

    Args:
        l2: Weight of the ridge, >= 0; without it separable classes have no optimum.
    """

    l2: float

    def __post_init__(self) -> None:
        require_not_negative("Logistic", "l2", self.l2)

    def loss(self, w: Tensor, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
        """Mean logistic loss, and the ridge."""
        # logsigmoid is exact at every margin; softplus turns linear above 20, an error of 2e-9.
        losses = -torch.nn.functional.logsigmoid(y * (x @ w))
        return weighted_mean(losses, weights) + 0.5 * self.l2 * (w @ w)

    def gradient(self, w: Tensor, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
        """-x^T (weights y sigmoid(-y (x w))) + l2 w."""
        return self.l2 * w - x.T @ weigh(y * torch.sigmoid(-y * (x @ w)), weights)

    def hessian(self, w: Tensor, x: Tensor, weights: Tensor | None = None) -> Tensor:
        """x^T diag(weights s (1 - s)) x + l2 with s = sigmoid(x w)."""
        scores = x @ w
        curvature = weigh(torch.sigmoid(scores) * torch.sigmoid(-scores), weights)
        return second_moment(x, curvature) + self.l2 * torch.eye(len(w), dtype=w.dtype, device=w.device)

    def smoothness(self, x: Tensor, weights: Tensor | None = None) -> float:
        """L: a quarter of the largest eigenvalue of the second moment, plus l2."""
        return extreme_eigenvalues(x, weights)[1] / 4 + self.l2

    def strong_convexity(self, x: Tensor, weights: Tensor | None = None) -> float:
        """The strong convexity mu = l2: far from the origin the loss itself is flat."""
        return self.l2

    def evaluate(self, w: Tensor, x: Tensor, y: Tensor) -> dict[str, float]:
        """The loss and the accuracy of sign(x w)."""
        correct = torch.where(x @ w >= 0, 1, -1) == y
        return {"loss": self.loss(w, x, y).item(), "accuracy": correct.double().mean().item()}

    def check_targets(self, y: Tensor) -> None:
        """Refuse labels other than -1 and +1."""
        wrong = y[y.abs() != 1]
        if len(wrong):
            raise ConfigurationError(f"Logistic: label {wrong[0].item():g} is not -1 or +1; relabel the samples")
