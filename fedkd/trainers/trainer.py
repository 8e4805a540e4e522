"""What a trainer is: how a worker trains the clients that it was given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.base import Batch
    from fedkd.trainers.solvers import Solver
    from fedkd_compression import Key


class Samples(Protocol):
    """The samples of one client."""

    @property
    def size(self) -> int:
        """How many there are."""

    def joined(self, others: Sequence[Self]) -> Self:
        """The samples of this client and then those of others, as if they were one client's."""

    def take(self, order: Tensor) -> Batch:
        """Gather samples by their position [m] in the client's own order."""


class Pupil(NamedTuple):
    """A client that is about to be trained.

    Args:
        x: the model that it received [d], on the learner's device.
        samples: its own.
        key: its randomness in this round.
        kept: what the client keeps for its task between rounds [m], where the learner keeps anything.
    """

    x: Tensor
    samples: Samples
    key: Key
    kept: Tensor | None = None


class Update(NamedTuple):
    """What training gives.

    Args:
        vector: the update [d].
        numbers: what the client reports, in the order of the task's metrics.
        kept: what the client is to keep until its next round [m].
        beside: what it sends beside the update.
    """

    vector: Tensor
    numbers: tuple[float, ...]
    kept: Tensor | None = None
    beside: Tensor | None = None


class Trainer(Protocol):
    """How a worker trains clients."""

    @property
    def together(self) -> int:
        """Clients that a worker is best given at a time, at most."""

    def work(self, samples: int) -> int:
        """Samples that a client with so many goes through in a round: what its time is predicted from."""

    def steps(self, samples: int) -> int:
        """Batches that a client with so many takes in a round."""

    def train(self, learner: Any, solver: Solver, pupils: Sequence[Pupil]) -> list[Update]:
        """Every client's update, in order; the learner is of the kind that this trainer drives."""

    def method(self, learner: Any) -> str:
        """In a few words for the manifest: how this learner's gradients are computed."""
