"""What travels beside the model: short vectors from the clients to the server, and one from the server to all.

    up    every client sends u_i [up] with its update; the server adds them: exactly, whoever adds
    down  what the server makes of their sums and of its models, v [down], goes to everyone with the next round

Both are lossless, and their bytes are counted with the messages that they are in. A round's v is complete in itself:
a client that was away, a worker that has just come and a run that is resumed need nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.base import Batch

BesideState = Mapping[str, "Tensor"]


class Beside(ABC):
    """A rule with explicit state at the server: a frozen value."""

    @property
    @abstractmethod
    def up(self) -> int:
        """Numbers that a client sends with its update; 0 for none."""

    @property
    @abstractmethod
    def down(self) -> int:
        """Numbers that go to everyone."""

    @abstractmethod
    def start(self, model: Tensor) -> BesideState:
        """The state before the first round, from the initial model [d]."""

    @abstractmethod
    def tell(self, state: BesideState) -> Tensor | None:
        """The vector v [down] for the next round; None: there is nothing to tell yet."""

    @abstractmethod
    def after(self, state: BesideState, model: Tensor, total: Tensor | None) -> BesideState:
        """The state after a round.

        Args:
            state: before it.
            model: the server's after it [d].
            total: what the counted clients' vectors add up to, float64 [up]; None where none came.
        """

    def gather(self, outputs: Tensor, seen: Batch) -> Tensor | None:
        """What a client sends [up], from what its model answered [n, classes] while it was trained on these samples."""
        return None
