"""What every task is: a pure description of what a client learns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class Batch(NamedTuple):
    """Samples of one client.

    Shapes: x [b, *shape]; y [b]; teacher [b, classes] teacher logits, or None without a teacher.
    """

    x: Tensor
    y: Tensor
    teacher: Tensor | None

    def slice(self, start: int, stop: int) -> Batch:
        """A view of consecutive samples."""
        teacher = None if self.teacher is None else self.teacher[start:stop]
        return Batch(self.x[start:stop], self.y[start:stop], teacher)


class Task(ABC):
    """What a client learns: a frozen value without state.

    ``metrics`` names what ``diagnose`` returns, in its order: only the numbers travel, never the names.
    """

    metrics: ClassVar[tuple[str, ...]]

    @abstractmethod
    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean loss over the batch, a scalar; outputs are the student's, [b, classes]."""

    @abstractmethod
    def diagnose(self, outputs: Tensor, batch: Batch) -> tuple[float, ...]:
        """What a client reports about its own samples after a round, in the order of ``metrics``."""

    @abstractmethod
    def evaluate(self, outputs: Tensor, y: Tensor) -> dict[str, float]:
        """Loss and accuracy of outputs [n, classes] on labels y [n]."""
