"""Distillation: labels and the softened answers of a teacher that stays on the client."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self, get_args

import torch

from fedkd.tasks import decomposition, diagnostics
from fedkd.tasks.base import Batch, Task
from fedkd.tasks.checks import require_below_one, require_choice, require_fraction, require_positive
from fedkd.tasks.classification import evaluate
from fedkd.tasks.diagnostics import given
from fedkd.tasks.schedules import Schedule, require_first, require_scheduled, values_at
from fedkd.tasks.targets import Center, distillation_loss, smoothed_labels, target

if TYPE_CHECKING:
    from torch import Tensor

SCHEDULED = ("tau_true", "tau_other", "tau_student", "kd_weight", "label_smoothing")


@dataclass(frozen=True)
class Distillation(Task):
    """Knowledge distillation with (asymmetric) temperature scaling.

    loss = (1 - kd_weight) CE(z, y) + kd_weight kd(z, q), with q = softmax(f / taus) from the teacher's logits
    f (X.-C. Li et al., NeurIPS 2022, arXiv 2210.04427). Plain temperature scaling is tau_true == tau_other.
    The teacher is a configuration group of its own: its logits come with the batch.

    Args:
        tau_true: Temperature of the label's logit, > 0 (the paper's tau_1).
        tau_other: Temperature of the other logits, > 0 (the paper's tau_2).
        tau_student: Temperature of the student, > 0; its square scales the distillation term.
        kd_weight: Weight of the distillation term, in [0, 1] (the paper's lambda).
        center: Zero point of the teacher's logits: "none" (the paper), "mean", or "wrong_mean".
        clamp: Keep a label that the teacher predicts from losing to another class.
        label_smoothing: Part of the labels in CE that is spread over all classes, in [0, 1).
        schedules: Of numbers above, by name: how they come to their values over the first rounds.
    """

    tau_true: float
    tau_other: float
    tau_student: float
    kd_weight: float
    center: Center
    clamp: bool
    label_smoothing: float
    schedules: dict[str, Schedule]

    metrics: ClassVar[tuple[str, ...]] = diagnostics.METRICS
    taught: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_positive("Distillation", "tau_true", self.tau_true)
        require_positive("Distillation", "tau_other", self.tau_other)
        require_positive("Distillation", "tau_student", self.tau_student)
        require_fraction("Distillation", "kd_weight", self.kd_weight)
        require_choice("Distillation", "center", self.center, get_args(Center))
        require_below_one("Distillation", "label_smoothing", self.label_smoothing)
        require_scheduled("Distillation", self.schedules, SCHEDULED)
        # Bounds are intervals: where the first value and the last keep them, all between do.
        require_first(self)

    def at(self, round_: int) -> Self:
        """The task of a round, without schedules."""
        if not self.schedules:
            return self
        return replace(self, schedules={}, **values_at(self, self.schedules, round_))

    def target(self, teacher_logits: Tensor, y: Tensor) -> Tensor:
        """The target q [b, classes] that this task makes of teacher logits [b, classes] and labels [b]."""
        return target(teacher_logits, y, self.tau_true, self.tau_other, self.center, self.clamp)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean loss of the student's outputs [b, classes], in nats."""
        return self._loss(outputs, batch.y, self.target(given(batch), batch.y))

    def aim(self, batch: Batch, classes: int, dtype: torch.dtype) -> Tensor:
        """(1 - kd_weight) label + kd_weight tau_student q, [b, classes]: the same in every epoch."""
        q = self.target(given(batch), batch.y).to(dtype)
        label = smoothed_labels(batch.y, classes, self.label_smoothing, dtype)
        return (1 - self.kd_weight) * label + self.kd_weight * self.tau_student * q

    def gradient(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Gradient of ``loss`` in the outputs, in closed form; shape [..., b, classes].

        ((1 - kd_weight) softmax(z) + kd_weight tau_student softmax(z / tau_student) - aim) / b
        """
        aim = self.aim(batch, outputs.shape[-1], outputs.dtype) if batch.aim is None else batch.aim
        answer = torch.softmax(outputs, dim=-1)
        if self.tau_student != 1:
            softened = torch.softmax(outputs / self.tau_student, dim=-1)
            answer = (1 - self.kd_weight) * answer + self.kd_weight * self.tau_student * softened
        return (answer - aim) / outputs.shape[-2]

    def diagnose(self, outputs: Tensor, batch: Batch) -> tuple[float, ...]:
        """Loss and accuracy, then the means over the samples of the diagnostics named in ``metrics``."""
        y, logits = batch.y, given(batch)
        q, inherent = self.target(logits, y), decomposition.inherent_variance(logits, y, self.tau_other)
        return diagnostics.diagnose(self._loss(outputs, y, q), outputs, batch, q, inherent)

    def evaluate(self, outputs: Tensor, y: Tensor) -> dict[str, float]:
        """Plain cross-entropy and accuracy on labels y [n]; the teacher is not asked."""
        return evaluate(outputs, y)

    def _loss(self, outputs: Tensor, y: Tensor, q: Tensor) -> Tensor:
        if self.tau_student == 1:
            # A cross-entropy is linear in its target: one on the mixed target is both terms in half the time.
            label = smoothed_labels(y, outputs.shape[-1], self.label_smoothing, q.dtype)
            return torch.nn.functional.cross_entropy(outputs, torch.lerp(label, q, self.kd_weight))
        supervised = torch.nn.functional.cross_entropy(outputs, y, label_smoothing=self.label_smoothing)
        distilled = distillation_loss(outputs, q, self.tau_student)
        return (1 - self.kd_weight) * supervised + self.kd_weight * distilled
