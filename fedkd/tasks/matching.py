"""Matching: labels, and a distance between the student's logits and a teacher's."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, ClassVar, Self

import torch

from fedkd.tasks import decomposition, diagnostics
from fedkd.tasks.base import Batch, Task
from fedkd.tasks.checks import require_below_one, require_not_negative
from fedkd.tasks.classification import evaluate
from fedkd.tasks.diagnostics import given
from fedkd.tasks.losses.distance import Distance
from fedkd.tasks.schedules import Schedule, require_first, require_scheduled, values_at
from fedkd.tasks.targets import smoothed_labels

if TYPE_CHECKING:
    from torch import Tensor

SCHEDULED = ("label_weight", "kd_weight", "label_smoothing")


@dataclass(frozen=True)
class Matching(Task):
    """Distillation by any distance: loss = label_weight CE(z, y) + kd_weight distance(z, f).

    z are the student's logits, f the teacher's, which come with the batch; what the distance does with both is its own
    business (``fedkd.tasks.losses``). The weights need not sum to 1: most papers weigh the labels by 1.

    Args:
        label_weight: Weight of the cross-entropy on the labels, >= 0.
        kd_weight: Weight of the distance, >= 0.
        label_smoothing: Part of the labels in CE that is spread over all classes, in [0, 1).
        distance: Between student and teacher, a mean over the samples.
        schedules: Of numbers above or of the distance, by name: how they come to their values over the first rounds.
    """

    label_weight: float
    kd_weight: float
    label_smoothing: float
    distance: Distance
    schedules: dict[str, Schedule]

    metrics: ClassVar[tuple[str, ...]] = diagnostics.METRICS
    taught: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_not_negative("Matching", "label_weight", self.label_weight)
        require_not_negative("Matching", "kd_weight", self.kd_weight)
        require_below_one("Matching", "label_smoothing", self.label_smoothing)
        require_scheduled("Matching", self.schedules, [*SCHEDULED, *(field.name for field in fields(self.distance))])
        # Bounds are intervals: where the first value and the last keep them, all between do.
        require_first(self)

    @property
    def separable(self) -> bool:
        """As the distance is."""
        return self.distance.separable

    def at(self, round_: int) -> Self:
        """The task of a round, without schedules."""
        if not self.schedules:
            return self
        distance = replace(self.distance, **values_at(self.distance, self.schedules, round_))
        return replace(self, distance=distance, schedules={}, **values_at(self, self.schedules, round_))

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean loss of the student's outputs [b, classes]."""
        labels = torch.nn.functional.cross_entropy(outputs, batch.y, label_smoothing=self.label_smoothing)
        teacher = given(batch).to(outputs.dtype)
        return self.label_weight * labels + self.kd_weight * self.distance.loss(outputs, teacher, batch.y)

    def aim(self, batch: Batch, classes: int, dtype: torch.dtype) -> Tensor:
        """The smoothed labels, [b, classes]: the same in every epoch."""
        return smoothed_labels(batch.y, classes, self.label_smoothing, dtype)

    def gradient(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Gradient of ``loss`` in the outputs, [..., b, classes]: the labels' in closed form, and the distance's.

        label_weight (softmax(z) - aim) / b + kd_weight d distance / dz
        """
        aim = self.aim(batch, outputs.shape[-1], outputs.dtype) if batch.aim is None else batch.aim
        labels = (torch.softmax(outputs, dim=-1) - aim) / outputs.shape[-2]
        distance = self.distance.gradient(outputs, given(batch).to(outputs.dtype), batch.y)
        return self.label_weight * labels + self.kd_weight * distance

    def diagnose(self, outputs: Tensor, batch: Batch) -> tuple[float, ...]:
        """Loss and accuracy, then those of the softmax that the student is held against."""
        softened = self.distance.softened(given(batch))
        q, inherent = torch.softmax(softened, -1), decomposition.inherent_variance(softened, batch.y, 1.0)
        return diagnostics.diagnose(self.loss(outputs, batch), outputs, batch, q, inherent)

    def evaluate(self, outputs: Tensor, y: Tensor) -> dict[str, float]:
        """Plain cross-entropy and accuracy on labels y [n]; the teacher is not asked."""
        return evaluate(outputs, y)
