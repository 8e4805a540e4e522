"""The serial trainer: one client after another on one resident model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch

from fedkd.errors import ConfigurationError
from fedkd_compression import Key

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.base import Batch
    from fedkd.tasks.learner import Learner
    from fedkd.trainers.solvers import Solver


class Samples(Protocol):
    """The samples of one client."""

    @property
    def size(self) -> int:
        """How many there are."""

    def take(self, order: Tensor) -> Batch:
        """Gather samples by their position [m] in the client's own order."""


class Update(NamedTuple):
    """What training gives: the update [d] and what the client reports, in the order of the task's metrics."""

    vector: Tensor
    numbers: tuple[float, ...]


class Trainer(Protocol):
    """How a worker trains a client."""

    def train(self, learner: Any, solver: Solver, x: Tensor, samples: Samples, key: Key) -> Update:
        """The client's update from the received model x [d]; the learner is of the kind that this trainer drives."""


@dataclass(frozen=True)
class Serial:
    """Passes over a client's samples in an order drawn from the key.

    Args:
        epochs: passes over the client's samples.
        batch_size: samples a batch; 0 takes all of them at once.
        batches: batches a round, counted over all epochs; 0 for no limit.
    """

    epochs: int
    batch_size: int
    batches: int

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigurationError(f"Serial: epochs={self.epochs} is below 1; choose epochs >= 1")
        for name, value in (("batch_size", self.batch_size), ("batches", self.batches)):
            if value < 0:
                raise ConfigurationError(f"Serial: {name}={value} is negative; choose 0 for no limit")

    def work(self, samples: int) -> int:
        """Samples that a client with so many goes through in a round: what its time is predicted from."""
        size = self.batch_size or max(samples, 1)
        epochs, rest = divmod(self.batches, -(-samples // size) or 1)
        cut_short = self.batches and epochs < self.epochs
        return epochs * samples + rest * size if cut_short else self.epochs * samples

    def train(self, learner: Learner, solver: Solver, x: Tensor, samples: Samples, key: Key) -> Update:
        """Load x [d], train on a client's samples, and return its update and its report on the last epoch."""
        learner.load(x)
        epochs = self._epochs(samples, key)
        vector = solver.update(learner, x, self._batches(learner, epochs))
        return Update(vector, learner.report(epochs[-1]))

    def _epochs(self, samples: Samples, key: Key) -> list[Batch]:
        size, left = self.batch_size or samples.size, self.batches or -1
        shuffled = []
        for epoch in range(self.epochs):
            if left == 0:
                break
            order = torch.from_numpy(key.fold(epoch).permutation(samples.size))
            order = order if left < 0 else order[: left * size]
            left = max(left - -(-len(order) // size), 0) if left > 0 else left
            shuffled.append(samples.take(order))
        return shuffled

    def _batches(self, learner: Learner, epochs: list[Batch]) -> Iterator[Batch]:
        for epoch in epochs:
            learner.begin_epoch()
            size = self.batch_size or len(epoch.y)
            for start in range(0, len(epoch.y), size):
                yield epoch.slice(start, start + size)
