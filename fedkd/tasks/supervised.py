"""Supervised learning on labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from fedkd.tasks.base import Batch, Task
from fedkd.tasks.checks import require_below_one
from fedkd.tasks.classification import accuracy, evaluate
from fedkd.tasks.targets import smoothed_labels

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Supervised(Task):
    """Cross-entropy on the labels, smoothed: (1 - s) CE(z, y) + s mean_c CE(z, c).

    Args:
        label_smoothing: Weight s of the uniform target, in [0, 1).
    """

    label_smoothing: float

    metrics: ClassVar[tuple[str, ...]] = ("train_loss", "train_accuracy")

    def __post_init__(self) -> None:
        require_below_one("Supervised", "label_smoothing", self.label_smoothing)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean smoothed cross-entropy of outputs [b, classes], in nats."""
        return torch.nn.functional.cross_entropy(outputs, batch.y, label_smoothing=self.label_smoothing)

    def aim(self, batch: Batch, classes: int, dtype: torch.dtype) -> Tensor:
        """The smoothed labels (1 - s) label + s / classes, float [b, classes]."""
        return smoothed_labels(batch.y, classes, self.label_smoothing, dtype)

    def gradient(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Gradient of ``loss`` in the outputs, in closed form; shape [..., b, classes].

        (softmax(z) - aim) / b
        """
        aim = self.aim(batch, outputs.shape[-1], outputs.dtype) if batch.aim is None else batch.aim
        return (torch.softmax(outputs, dim=-1) - aim) / outputs.shape[-2]

    def diagnose(self, outputs: Tensor, batch: Batch) -> tuple[float, ...]:
        """Training loss and accuracy on the client's samples."""
        return self.loss(outputs, batch).item(), accuracy(outputs, batch.y).item()

    def evaluate(self, outputs: Tensor, y: Tensor) -> dict[str, float]:
        """Plain cross-entropy and accuracy on labels y [n]."""
        return evaluate(outputs, y)
