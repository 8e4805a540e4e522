"""NKD: the label weighted by the teacher's confidence, and the wrong classes among themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from fedkd.tasks.checks import require_not_negative, require_positive
from fedkd.tasks.decomposition import at_label, wrong_classes
from fedkd.tasks.losses.distance import Distance

if TYPE_CHECKING:
    from torch import Tensor


def normalised_loss(student_logits: Tensor, teacher_logits: Tensor, y: Tensor, gamma: float, tau: float) -> Tensor:
    """mean_i(-q_y log p_y - gamma tau^2 sum_{c != y} q'_c log p'_c).

    Z. Yang et al., "From Knowledge Distillation to Self-Knowledge Distillation: A Unified Approach with Normalized Loss
    and Customized Soft Labels", ICCV 2023 (arXiv 2303.13005): q_y and p_y are of softmax(f) and softmax(z), without a
    temperature; q' and p' are the softmax of f / tau and z / tau over the wrong classes alone. Cross-entropies, not
    divergences: at z = f the loss is not 0, but the second term's slope is, and the first pulls p_y up, as labels do.

    Args:
        student_logits: z [..., b, C].
        teacher_logits: f [..., b, C].
        y: Ground-truth labels [..., b].
        gamma: Weight of the wrong classes' part, >= 0.
        tau: Temperature of the wrong classes, > 0.

    Returns:
        Shape [...].

    Example:
        >>> z = torch.tensor([[0.0, 0.0, 0.0]])
        >>> normalised_loss(z, z, torch.tensor([0]), gamma=1.5, tau=1.0)  # log(3) / 3 + 1.5 log(2)
        tensor(1.4059)
    """
    q_label = at_label(torch.softmax(teacher_logits, dim=-1), y)
    log_p_label = at_label(torch.log_softmax(student_logits, dim=-1), y)
    q = torch.softmax(wrong_classes(teacher_logits, y) / tau, dim=-1)
    log_p = torch.log_softmax(wrong_classes(student_logits, y) / tau, dim=-1)
    return -(q_label * log_p_label + gamma * tau**2 * (q * log_p).sum(-1)).mean(-1)


@dataclass(frozen=True)
class Normalised(Distance):
    """``normalised_loss``.

    Args:
        gamma: Weight of the wrong classes' part, >= 0.
        tau: Temperature of the wrong classes, > 0.
    """

    gamma: float
    tau: float

    def __post_init__(self) -> None:
        require_not_negative("Normalised", "gamma", self.gamma)
        require_positive("Normalised", "tau", self.tau)

    def loss(self, student_logits: Tensor, teacher_logits: Tensor, y: Tensor) -> Tensor:
        """Shape [...]."""
        return normalised_loss(student_logits, teacher_logits, y, self.gamma, self.tau)

    def softened(self, teacher_logits: Tensor) -> Tensor:
        """The teacher's f / tau."""
        return teacher_logits / self.tau
