"""What every task is: a pure description of what a client learns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

import torch

if TYPE_CHECKING:
    from torch import Tensor


class Batch(NamedTuple):
    """Samples of one client.

    Args:
        teacher: teacher logits, or None without a teacher.
        aim: what ``Task.aim`` makes of labels and teacher, once for many batches; None where it was not asked.

    Shapes: x [b, *shape]; y [b]; teacher and aim [b, classes].
    """

    x: Tensor
    y: Tensor
    teacher: Tensor | None
    aim: Tensor | None = None

    def slice(self, start: int, stop: int) -> Batch:
        """A view of consecutive samples."""
        x, y, teacher, aim = (None if part is None else part[start:stop] for part in self)
        assert x is not None
        assert y is not None
        return Batch(x, y, teacher, aim)


class Task(ABC):
    """What a client learns: a frozen value without state.

    ``metrics`` names what ``diagnose`` returns, in its order: only the numbers travel, never the names. A task that is
    ``taught`` reads a teacher's logits from every batch.
    """

    metrics: ClassVar[tuple[str, ...]]
    taught: ClassVar[bool] = False

    @property
    def separable(self) -> bool:
        """Whether ``gradient`` takes the batches of many models at once: the loss is a mean of one term a sample."""
        return type(self).gradient is not Task.gradient

    def at(self, round_: int) -> Self:
        """The task of a round, counted from 0: this one, with values that follow schedules as they are then."""
        return self

    @abstractmethod
    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean loss over the batch, a scalar; outputs are the student's, [b, classes]."""

    def aim(self, batch: Batch, classes: int, dtype: torch.dtype) -> Tensor | None:
        """What ``gradient`` subtracts whatever the outputs are [b, classes]; None: it asks for nothing beforehand."""
        return None

    def gradient(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Gradient of ``loss`` in the outputs, [..., b, classes]; here by autograd, in tasks of ours in closed form."""
        with torch.enable_grad():
            z = outputs.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.loss(z, batch), z)
        return gradient

    @abstractmethod
    def diagnose(self, outputs: Tensor, batch: Batch) -> tuple[float, ...]:
        """What a client reports about its own samples after a round, in the order of ``metrics``."""

    @abstractmethod
    def evaluate(self, outputs: Tensor, y: Tensor) -> dict[str, float]:
        """Loss and accuracy of outputs [n, classes] on labels y [n]."""
