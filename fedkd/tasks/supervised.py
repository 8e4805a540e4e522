"""Supervised learning on labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from fedkd.errors import ConfigurationError
from fedkd.tasks.base import Batch, Task
from fedkd.tasks.classification import accuracy, evaluate
from fedkd.tasks.targets import label_mask

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
        if not 0 <= self.label_smoothing < 1:
            value = self.label_smoothing
            raise ConfigurationError(
                f"Supervised: label_smoothing={value} is outside [0, 1); choose 0 <= label_smoothing < 1"
            )

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean smoothed cross-entropy of outputs [b, classes], in nats."""
        return torch.nn.functional.cross_entropy(outputs, batch.y, label_smoothing=self.label_smoothing)

    def aim(self, batch: Batch, classes: int, dtype: torch.dtype) -> Tensor:
        """The smoothed labels (1 - s) label + s / classes, float [b, classes]."""
        answer = label_mask(batch.y, classes).to(dtype)
        return answer * (1 - self.label_smoothing) + self.label_smoothing / classes

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
