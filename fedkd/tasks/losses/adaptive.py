"""Adaptive mutual distillation: two networks listen to each other the more, the better both know the labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from fedkd.tasks.decomposition import at_label
from fedkd.tasks.losses.distance import Distance, divergence

if TYPE_CHECKING:
    from torch import Tensor


def adaptive_loss(student_logits: Tensor, teacher_logits: Tensor, y: Tensor) -> Tensor:
    """KL(softmax(f) || softmax(z)) / (CE(z, y) + CE(f, y)), each a mean over the samples.

    C. Wu et al., "Communication-efficient federated learning via knowledge distillation" (FedKD), Nature Communications
    2022. The denominator is a weight and no part of what is learned: its gradient is not taken. With the networks in
    each other's place this is the other one's loss.

    Args:
        student_logits: z [..., b, C].
        teacher_logits: f [..., b, C].
        y: Ground-truth labels [..., b].

    Returns:
        Shape [...].

    Example:
        >>> z, f = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 0.0]])
        >>> adaptive_loss(z, f, torch.tensor([0]))
        tensor(0.)
    """
    log_p, log_q = (torch.log_softmax(logits, dim=-1) for logits in (student_logits, teacher_logits))
    return divergence(log_q, log_p).mean(-1) / _doubt(log_p, log_q, y)


@dataclass(frozen=True)
class Adaptive(Distance):
    """``adaptive_loss``."""

    separable: ClassVar[bool] = False

    def loss(self, student_logits: Tensor, teacher_logits: Tensor, y: Tensor) -> Tensor:
        """Shape [...]."""
        return adaptive_loss(student_logits, teacher_logits, y)

    def softened(self, teacher_logits: Tensor) -> Tensor:
        """F itself."""
        return teacher_logits

    def gradient(self, student_logits: Tensor, teacher_logits: Tensor, y: Tensor) -> Tensor:
        """(softmax(z) - softmax(f)) / b / (CE(z, y) + CE(f, y))."""
        log_p, log_q = (torch.log_softmax(logits, dim=-1) for logits in (student_logits, teacher_logits))
        doubt = _doubt(log_p, log_q, y)[..., None, None]
        return (log_p.exp() - log_q.exp()) / (student_logits.shape[-2] * doubt)


def _doubt(log_p: Tensor, log_q: Tensor, y: Tensor) -> Tensor:
    """CE(z, y) + CE(f, y) as a weight [...]; never below what rounding leaves of it."""
    both = -(at_label(log_p, y) + at_label(log_q, y)).mean(-1)
    return both.detach().clamp(min=torch.finfo(both.dtype).eps)
