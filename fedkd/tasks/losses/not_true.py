"""Not-true distillation: what the teacher says about the wrong classes, among themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from fedkd.tasks.checks import require_positive
from fedkd.tasks.decomposition import wrong_classes
from fedkd.tasks.losses.distance import Distance, divergence
from fedkd.tasks.targets import label_mask

if TYPE_CHECKING:
    from torch import Tensor


def not_true_loss(student_logits: Tensor, teacher_logits: Tensor, y: Tensor, tau: float) -> Tensor:
    """tau^2 mean_i KL(softmax(f_wrong / tau) || softmax(z_wrong / tau)), wrong: all classes but the label.

    G. Lee et al., "Preservation of the Global Knowledge by Not-True Distillation in Federated Learning", NeurIPS 2022
    (arXiv 2106.03097): beside the cross-entropy on the labels it lets a client learn its own classes and keep what
    the global model, its teacher, knows about the others.

    Args:
        student_logits: z [..., b, C].
        teacher_logits: f [..., b, C].
        y: Ground-truth labels [..., b].
        tau: Temperature of both, > 0.

    Returns:
        Shape [...]; 0 with gradient 0 where C = 2, for one wrong class alone says nothing.

    Example:
        >>> z, f = torch.tensor([[9.0, 1.0, 0.0]]), torch.tensor([[-9.0, 1.0, 0.0]])
        >>> not_true_loss(z, f, torch.tensor([0]), tau=1.0)
        tensor(0.)
    """
    log_p, log_q = (
        torch.log_softmax(wrong_classes(logits, y) / tau, dim=-1) for logits in (student_logits, teacher_logits)
    )
    return tau**2 * divergence(log_q, log_p).mean(-1)


@dataclass(frozen=True)
class NotTrue(Distance):
    """``not_true_loss``.

    Args:
        tau: Temperature of student and teacher, > 0.
    """

    tau: float

    def __post_init__(self) -> None:
        require_positive("NotTrue", "tau", self.tau)

    def loss(self, student_logits: Tensor, teacher_logits: Tensor, y: Tensor) -> Tensor:
        """Shape [...]."""
        return not_true_loss(student_logits, teacher_logits, y, self.tau)

    def softened(self, teacher_logits: Tensor) -> Tensor:
        """The teacher's f / tau; the label's is not looked at."""
        return teacher_logits / self.tau

    def gradient(self, student_logits: Tensor, teacher_logits: Tensor, y: Tensor) -> Tensor:
        """In closed form: tau (softmax(z_wrong / tau) - softmax(f_wrong / tau)) / b, and 0 at the label."""
        label = label_mask(y, student_logits.shape[-1])
        p, q = (
            torch.softmax(logits.masked_fill(label, -torch.inf) / self.tau, dim=-1)
            for logits in (student_logits, teacher_logits)
        )
        return self.tau * (p - q) / student_logits.shape[-2]
