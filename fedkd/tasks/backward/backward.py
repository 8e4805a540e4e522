"""What computes gradients: one forward and one backward pass over a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.base import Batch, Task
    from fedkd.trainers.descents import Descent

Fused = Literal["auto", "off"]


class Backward(ABC):
    """Computes a batch's gradients at the parameters as they are, and gives each to a descent."""

    @property
    @abstractmethod
    def name(self) -> str:
        """In a few words, for the manifest."""

    @abstractmethod
    def __call__(self, batch: Batch, descent: Descent) -> Tensor:
        """Give the gradient of every parameter once; the result is what the network answered, [b, classes].

        Nothing waits for the device.
        """


class Network(Backward):
    """The two passes of a network apart, with its task's gradient in the outputs between them."""

    def __init__(self, task: Task) -> None:
        self._task = task

    @abstractmethod
    def forward(self, x: Tensor, descent: Descent) -> tuple[Tensor, Any]:
        """The outputs [b, classes], without their history, and what ``backward`` will need."""

    @abstractmethod
    def backward(self, gradient: Tensor, saved: Any, descent: Descent) -> None:
        """Give the gradient of every parameter, from that in the outputs."""

    def __call__(self, batch: Batch, descent: Descent) -> Tensor:
        """Forward, the gradient of the loss in the outputs, backward."""
        outputs, saved = self.forward(batch.x, descent)
        self.backward(self._task.gradient(outputs, batch), saved, descent)
        return outputs
