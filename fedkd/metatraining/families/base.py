"""A family of tasks: what a learned optimizer is trained on, many tasks at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression import Key


class Start(NamedTuple):
    """A task that begins.

    Args:
        params: where the optimizer starts.
        fixed: what stays the task's own until its end.
    """

    params: list[Tensor]
    fixed: list[Tensor]


class Family(ABC):
    """Tasks of the same shapes, each a function of its stream.

    Attributes:
        ceiling: losses count as no more than this; one that is not finite counts as this.
        floor: added to a loss before its logarithm: below it, less is hardly better.
        work: about how long a step takes, beside other families.
    """

    ceiling: float
    floor: float
    work: float

    @abstractmethod
    def begin(self, stream: Key) -> Start:
        """A task."""

    @abstractmethod
    def draws(self, streams: Key, steps: int) -> Tensor:
        """What so many steps need of randomness, for a task a stream: [n, steps, ...]."""

    @abstractmethod
    def slopes(self, params: list[Tensor], fixed: list[Tensor], drawn: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Losses and gradients at the parameters of many models.

        Args:
            params: [models, *s] each.
            fixed: [models, ...] each.
            drawn: a step's [models, ...].

        Returns:
            The losses [models] and the gradients [models, *s].
        """
