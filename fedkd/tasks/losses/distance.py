"""What a distance is, and the divergence that most are made of.

Everywhere z are the student's logits and f the teacher's, [..., b, C] with C >= 2, and y the labels [..., b]. A loss
has the shape [...]: the mean over the b samples ("batchmean", never over classes), one for each of several models.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Distance(ABC):
    """How far a student's answers are from a teacher's: a frozen value without state.

    Attributes:
        separable: whether the loss is a mean of terms of one sample each; else the samples of a batch are compared
            with each other, and what fills up a batch would count.
    """

    separable: ClassVar[bool] = True

    @abstractmethod
    def loss(self, student_logits: Tensor, teacher_logits: Tensor, y: Tensor) -> Tensor:
        """Mean over the samples; z and f [..., b, C] and y [..., b] give [...]."""

    @abstractmethod
    def softened(self, teacher_logits: Tensor) -> Tensor:
        """The logits [..., b, C] whose softmax is what the student is held against."""

    def gradient(self, student_logits: Tensor, teacher_logits: Tensor, y: Tensor) -> Tensor:
        """Gradient of ``loss`` in z, [..., b, C]; here by autograd, for any number of models at once."""
        with torch.enable_grad():
            z = student_logits.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.loss(z, teacher_logits, y).sum(), z)
        return gradient


def divergence(log_q: Tensor, log_p: Tensor) -> Tensor:
    """KL(q || p) = sum_c q_c (log q_c - log p_c) of every sample, in nats, from logarithms [..., C]; shape [...].

    Both must be finite, as those of ``torch.log_softmax`` are: a probability may underflow, its logarithm does not.
    """
    return (log_q.exp() * (log_q - log_p)).sum(-1)
