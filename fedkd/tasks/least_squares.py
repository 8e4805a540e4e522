"""Linear least squares with a ridge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from fedkd.tasks.checks import require_not_negative
from fedkd.tasks.convex import ConvexTask, extreme_eigenvalues, second_moment, weigh, weighted_mean

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LeastSquares(ConvexTask):
    """F(w) = 1/2 mean_j (x_j . w - y_j)^2 + l2/2 |w|^2.

    Args:
        l2: Weight of the ridge, >= 0.
    """

    l2: float

    def __post_init__(self) -> None:
        require_not_negative("LeastSquares", "l2", self.l2)

    def loss(self, w: Tensor, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
        """Half the mean squared residual, and the ridge."""
        return 0.5 * (weighted_mean((x @ w - y).square(), weights) + self.l2 * (w @ w))

    def gradient(self, w: Tensor, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
        """x^T (weights (x w - y)) + l2 w."""
        return x.T @ weigh(x @ w - y, weights) + self.l2 * w

    def hessian(self, w: Tensor, x: Tensor, weights: Tensor | None = None) -> Tensor:
        """The second moment of x plus l2; the same at every w."""
        return second_moment(x, weights) + self.l2 * torch.eye(len(w), dtype=w.dtype, device=w.device)

    def smoothness(self, x: Tensor, weights: Tensor | None = None) -> float:
        """L: the largest eigenvalue of the Hessian, exactly."""
        return extreme_eigenvalues(x, weights)[1] + self.l2

    def strong_convexity(self, x: Tensor, weights: Tensor | None = None) -> float:
        """mu: the smallest eigenvalue of the Hessian, exactly."""
        return extreme_eigenvalues(x, weights)[0] + self.l2

    def evaluate(self, w: Tensor, x: Tensor, y: Tensor) -> dict[str, float]:
        """The loss."""
        return {"loss": self.loss(w, x, y).item()}
