"""What computes gradients: one forward and one backward pass over a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

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
