"""DKD: how sure the teacher is of the label, and what it says about the other classes, weighed apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from fedkd.tasks.checks import require_not_negative, require_positive
from fedkd.tasks.decomposition import at_label, wrong_classes
from fedkd.tasks.losses.distance import Distance, divergence

if TYPE_CHECKING:
    from torch import Tensor


class DecoupledTerms(NamedTuple):
    """The two parts of a sample's divergence, each [..., b]: KL(q || p) = target + (1 - q_y) other.

    Args:
        target: TCKD, the divergence between (q_y, 1 - q_y) and (p_y, 1 - p_y).
        other: NCKD, the divergence between the wrong classes, each side's as shares of their sum.
    """

    target: Tensor
    other: Tensor


def decoupled_terms(student_logits: Tensor, teacher_logits: Tensor, y: Tensor, tau: float) -> DecoupledTerms:
    """TCKD and NCKD of every sample, of q = softmax(f / tau) and p = softmax(z / tau), without tau^2.

    Args:
        student_logits: z [..., b, C].
        teacher_logits: f [..., b, C].
        y: Ground-truth labels [..., b].
        tau: Temperature of both, > 0.
    """
    log_p, log_q = (_split(logits / tau, y) for logits in (student_logits, teacher_logits))
    return DecoupledTerms(divergence(log_q.binary, log_p.binary), divergence(log_q.wrong, log_p.wrong))


def decoupled_loss(
    student_logits: Tensor, teacher_logits: Tensor, y: Tensor, alpha: float, beta: float, tau: float
) -> Tensor:
    """tau^2 mean_i (alpha TCKD_i + beta NCKD_i).

    B. Zhao et al., "Decoupled Knowledge Distillation", CVPR 2022 (arXiv 2203.08679). The usual KL(q || p) is the case
    alpha = 1 with beta = 1 - q_y sample by sample, which silences the wrong classes where the teacher is sure.

    Args:
        student_logits: z [..., b, C].
        teacher_logits: f [..., b, C].
        y: Ground-truth labels [..., b].
        alpha: Weight of the label's part, >= 0.
        beta: Weight of the wrong classes' part, >= 0.
        tau: Temperature of both, > 0.

    Returns:
        Shape [...].

    Example:
        >>> f = torch.tensor([[3.0, 1.0, 0.0]])
        >>> decoupled_loss(f, f, torch.tensor([0]), alpha=1.0, beta=8.0, tau=4.0)
        tensor(0.)
    """
    target, other = decoupled_terms(student_logits, teacher_logits, y, tau)
    return tau**2 * (alpha * target + beta * other).mean(-1)


@dataclass(frozen=True)
class Decoupled(Distance):
    """``decoupled_loss``.

    Args:
        alpha: Weight of the label's part, >= 0.
        beta: Weight of the wrong classes' part, >= 0.
        tau: Temperature of student and teacher, > 0.
    """

    alpha: float
    beta: float
    tau: float

    def __post_init__(self) -> None:
        require_not_negative("Decoupled", "alpha", self.alpha)
        require_not_negative("Decoupled", "beta", self.beta)
        require_positive("Decoupled", "tau", self.tau)

    def loss(self, student_logits: Tensor, teacher_logits: Tensor, y: Tensor) -> Tensor:
        """Shape [...]."""
        return decoupled_loss(student_logits, teacher_logits, y, self.alpha, self.beta, self.tau)

    def softened(self, teacher_logits: Tensor) -> Tensor:
        """The teacher's f / tau."""
        return teacher_logits / self.tau


class _Logarithms(NamedTuple):
    """Of (p_y, 1 - p_y) [..., b, 2], and of the wrong classes as shares of their sum [..., b, C - 1]."""

    binary: Tensor
    wrong: Tensor


def _split(logits: Tensor, y: Tensor) -> _Logarithms:
    """All from logarithms of sums: 1 - p_y itself would have no digits left where p_y is near 1."""
    wrong = wrong_classes(logits, y)
    others, everything = torch.logsumexp(wrong, -1), torch.logsumexp(logits, -1)
    binary = torch.stack([at_label(logits, y), others], -1) - everything.unsqueeze(-1)
    return _Logarithms(binary, wrong - others.unsqueeze(-1))
