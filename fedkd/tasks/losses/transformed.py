"""TTM and WTTM: the temperature softens the teacher alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from fedkd.tasks.checks import require_positive
from fedkd.tasks.losses.distance import Distance, divergence

if TYPE_CHECKING:
    from torch import Tensor


def transformed_loss(student_logits: Tensor, teacher_logits: Tensor, tau: float) -> Tensor:
    """mean_i KL(softmax(f / tau) || softmax(z)).

    TTM of K. Zheng and E.-H. Yang, "Knowledge Distillation Based on Transformed Teacher Matching", ICLR 2024
    (arXiv 2402.11148). Its slope is that of temperature scaling with tau_student = 1, hence no tau^2.

    Args:
        student_logits: z [..., b, C].
        teacher_logits: f [..., b, C].
        tau: Temperature of the teacher, > 0.

    Returns:
        Shape [...].

    Example:
        >>> f = torch.tensor([[3.0, 1.0, 0.0]])
        >>> transformed_loss(f / 4.0, f, tau=4.0)
        tensor(0.)
    """
    return _divergences(student_logits, teacher_logits, tau).mean(-1)


def weighted_transformed_loss(student_logits: Tensor, teacher_logits: Tensor, tau: float) -> Tensor:
    """mean_i U_i KL(softmax(f / tau) || softmax(z)) with U = sum_c softmax(f)_c^(1 / tau).

    WTTM of the same paper: U lies between 1, where the teacher is sure, and C^(1 - 1 / tau), where it is not, for
    tau >= 1; samples about which the teacher has more to say count for more.

    Args:
        student_logits: z [..., b, C].
        teacher_logits: f [..., b, C].
        tau: Temperature of the teacher, > 0.

    Returns:
        Shape [...].

    Example:
        >>> f = torch.tensor([[3.0, 1.0, 0.0]])
        >>> weighted_transformed_loss(f / 4.0, f, tau=4.0)
        tensor(0.)
    """
    weights = (torch.log_softmax(teacher_logits, -1) / tau).exp().sum(-1)
    return (weights * _divergences(student_logits, teacher_logits, tau)).mean(-1)


@dataclass(frozen=True)
class Transformed(Distance):
    """``transformed_loss``.

    Args:
        tau: Temperature of the teacher, > 0.
    """

    tau: float

    def __post_init__(self) -> None:
        require_positive("Transformed", "tau", self.tau)

    def loss(self, student_logits: Tensor, teacher_logits: Tensor, y: Tensor) -> Tensor:
        """Shape [...]; the labels are not used."""
        return transformed_loss(student_logits, teacher_logits, self.tau)

    def softened(self, teacher_logits: Tensor) -> Tensor:
        """The teacher's f / tau."""
        return teacher_logits / self.tau


@dataclass(frozen=True)
class WeightedTransformed(Distance):
    """``weighted_transformed_loss``.

    Args:
        tau: Temperature of the teacher, > 0.
    """

    tau: float

    def __post_init__(self) -> None:
        require_positive("WeightedTransformed", "tau", self.tau)

    def loss(self, student_logits: Tensor, teacher_logits: Tensor, y: Tensor) -> Tensor:
        """Shape [...]; the labels are not used."""
        return weighted_transformed_loss(student_logits, teacher_logits, self.tau)

    def softened(self, teacher_logits: Tensor) -> Tensor:
        """The teacher's f / tau."""
        return teacher_logits / self.tau


def _divergences(student_logits: Tensor, teacher_logits: Tensor, tau: float) -> Tensor:
    """Of every sample, [..., b]."""
    return divergence(torch.log_softmax(teacher_logits / tau, -1), torch.log_softmax(student_logits, -1))
