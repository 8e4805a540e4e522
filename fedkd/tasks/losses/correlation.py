"""DIST: the student ranks classes, and samples within a class, as the teacher does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from fedkd.tasks.checks import require_not_negative, require_positive
from fedkd.tasks.losses.distance import Distance

if TYPE_CHECKING:
    from torch import Tensor

LEAST_NORM = 1e-8
"""Deviations of a smaller norm count as none, and correlate with nothing."""


def pearson(one: Tensor, other: Tensor, dim: int) -> Tensor:
    """Correlation of two tensors of one shape along a dimension, in [-1, 1]; 0 where either does not vary."""
    one, other = (values - values.mean(dim, keepdim=True) for values in (one, other))
    return torch.nn.functional.cosine_similarity(one, other, dim=dim, eps=LEAST_NORM)


def correlation_loss(student_logits: Tensor, teacher_logits: Tensor, inter: float, intra: float, tau: float) -> Tensor:
    """tau^2 (inter (1 - mean_i r(p_i., q_i.)) + intra (1 - mean_c r(p_.c, q_.c))), r Pearson's correlation.

    T. Huang et al., "Knowledge Distillation from A Stronger Teacher", NeurIPS 2022 (arXiv 2205.10536), of
    p = softmax(z / tau) and q = softmax(f / tau): the first term compares the classes of a sample, the second the
    samples of the batch within a class. A batch of one sample has nothing for the second: it is intra, without slope.

    Args:
        student_logits: z [..., b, C].
        teacher_logits: f [..., b, C].
        inter: Weight between the classes, >= 0 (the paper's beta).
        intra: Weight within a class, >= 0 (the paper's gamma).
        tau: Temperature of both, > 0.

    Returns:
        Shape [...]; in [0, 2 tau^2 (inter + intra)].

    Example:
        >>> f = torch.tensor([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0]])
        >>> correlation_loss(f, f, inter=1.0, intra=1.0, tau=1.0) < 1e-6
        tensor(True)
    """
    p, q = (torch.softmax(logits / tau, dim=-1) for logits in (student_logits, teacher_logits))
    between, within = (1 - pearson(p, q, dim).mean(-1) for dim in (-1, -2))
    return tau**2 * (inter * between + intra * within)


@dataclass(frozen=True)
class Correlation(Distance):
    """``correlation_loss``.

    Args:
        inter: Weight between the classes of a sample, >= 0.
        intra: Weight between the samples of a batch, >= 0.
        tau: Temperature of student and teacher, > 0.
    """

    inter: float
    intra: float
    tau: float

    separable: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_not_negative("Correlation", "inter", self.inter)
        require_not_negative("Correlation", "intra", self.intra)
        require_positive("Correlation", "tau", self.tau)

    def loss(self, student_logits: Tensor, teacher_logits: Tensor, y: Tensor) -> Tensor:
        """Shape [...]; the labels are not used."""
        return correlation_loss(student_logits, teacher_logits, self.inter, self.intra, self.tau)

    def softened(self, teacher_logits: Tensor) -> Tensor:
        """The teacher's f / tau."""
        return teacher_logits / self.tau
