"""What computes gradients: one forward and one backward pass over a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.base import Batch
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


class Slope(Protocol):
    """What has a gradient in a network's outputs: a task, or what a step of one aims at."""

    @property
    def separable(self) -> bool:
        """Whether ``gradient`` takes the batches of many models at once: the loss is a mean of one term a sample."""

    def gradient(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Of the loss in the outputs, in their shape."""


class Network(ABC):
    """The two passes of a network apart; what is between them is another's business."""

    @property
    @abstractmethod
    def name(self) -> str:
        """In a few words, for the manifest."""

    @abstractmethod
    def forward(self, x: Tensor, descent: Descent) -> tuple[Tensor, Any]:
        """The outputs [b, classes], without their history, and what ``backward`` will need."""

    @abstractmethod
    def backward(self, gradient: Tensor, saved: Any, descent: Descent) -> None:
        """Give the gradient of every parameter, from that in the outputs."""


class Descending(Backward):
    """A network's two passes, with the gradient of a loss in the outputs between them."""

    def __init__(self, network: Network, task: Slope) -> None:
        self._network, self._task = network, task

    @property
    def name(self) -> str:
        """The network's."""
        return self._network.name

    def __call__(self, batch: Batch, descent: Descent) -> Tensor:
        """Forward, the gradient of the loss in the outputs, backward."""
        outputs, saved = self._network.forward(batch.x, descent)
        self._network.backward(self._task.gradient(outputs, batch), saved, descent)
        return outputs
