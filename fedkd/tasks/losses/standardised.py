"""LSKD: student and teacher agree about logits relative to each other, whatever their range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from fedkd.tasks.checks import require_positive
from fedkd.tasks.losses.distance import Distance, divergence

if TYPE_CHECKING:
    from torch import Tensor

LEAST_DEVIATION = 1e-7
"""Logits that differ by less are alike: they have no direction that could be standardised."""


def standardised(logits: Tensor) -> Tensor:
    """Every row with mean 0 and variance 1 (divided by C); a row of equal logits becomes 0. Shape as given."""
    centered = logits - logits.mean(-1, keepdim=True)
    variance = centered.square().mean(-1, keepdim=True)
    # The variance is bounded, not its root, whose slope at 0 is infinite.
    return centered * variance.clamp_min(LEAST_DEVIATION**2).rsqrt()


def standardised_loss(student_logits: Tensor, teacher_logits: Tensor, tau: float) -> Tensor:
    """tau^2 mean_i KL(softmax(S(f) / tau) || softmax(S(z) / tau)) with S(z) = (z - mean z) / deviation of z.

    S. Sun et al., "Logit Standardization in Knowledge Distillation", CVPR 2024 (arXiv 2403.01427). The deviation is
    the paper's, divided by C; programs that divide by C - 1 have a tau larger by sqrt(C / (C - 1)). Unchanged
    where either side's logits are multiplied by a positive number or moved.

    Args:
        student_logits: z [..., b, C].
        teacher_logits: f [..., b, C].
        tau: Temperature of both after standardisation, > 0.

    Returns:
        Shape [...].

    Example:
        >>> f = torch.tensor([[3.0, 1.0, 0.0]])
        >>> standardised_loss(10 * f + 2, f, tau=2.0) < 1e-6
        tensor(True)
    """
    log_p, log_q = (
        torch.log_softmax(standardised(logits) / tau, dim=-1) for logits in (student_logits, teacher_logits)
    )
    return tau**2 * divergence(log_q, log_p).mean(-1)


@dataclass(frozen=True)
class Standardised(Distance):
    """``standardised_loss``.

    Args:
        tau: Temperature of student and teacher, > 0.
    """

    tau: float

    def __post_init__(self) -> None:
        require_positive("Standardised", "tau", self.tau)

    def loss(self, student_logits: Tensor, teacher_logits: Tensor, y: Tensor) -> Tensor:
        """Shape [...]; the labels are not used."""
        return standardised_loss(student_logits, teacher_logits, self.tau)

    def softened(self, teacher_logits: Tensor) -> Tensor:
        """The standardised S(f) / tau."""
        return standardised(teacher_logits) / self.tau
