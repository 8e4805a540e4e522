"""What every local trainer has in common: passes over a client's samples, in an order drawn from its key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression import Key


@dataclass(frozen=True)
class Passes:
    """Passes over a client's samples; which samples a batch has depends on the client's key alone.

    Args:
        epochs: passes over the client's samples.
        batch_size: samples a batch; 0 takes all of them at once.
        batches: batches a round, counted over all epochs; 0 for no limit.
    """

    epochs: int
    batch_size: int
    batches: int

    def __post_init__(self) -> None:
        owner = type(self).__name__
        if self.epochs < 1:
            raise ConfigurationError(f"{owner}: epochs={self.epochs} is below 1; choose epochs >= 1")
        for name, value in (("batch_size", self.batch_size), ("batches", self.batches)):
            if value < 0:
                raise ConfigurationError(f"{owner}: {name}={value} is negative; choose 0 for no limit")

    def work(self, samples: int) -> int:
        """Samples that a client with so many goes through in a round: what its time is predicted from."""
        size = self.batch_size or max(samples, 1)
        epochs, rest = divmod(self.batches, -(-samples // size) or 1)
        cut_short = self.batches and epochs < self.epochs
        return epochs * samples + rest * size if cut_short else self.epochs * samples

    def steps(self, samples: int) -> int:
        """Batches that a client with so many takes in a round."""
        steps = self.epochs * -(-samples // (self.batch_size or max(samples, 1)))
        return min(steps, self.batches) if self.batches else steps

    def orders(self, samples: int, key: Key) -> list[Tensor]:
        """Of every epoch, which of a client's samples are gone through, in order; the last epoch may be cut short."""
        size, left = self.batch_size or samples, self.batches or -1
        orders = []
        for epoch in range(self.epochs):
            if left == 0:
                break
            order = torch.from_numpy(key.fold(epoch).permutation(samples))
            order = order if left < 0 else order[: left * size]
            left = max(left - -(-len(order) // size), 0) if left > 0 else left
            orders.append(order)
        return orders
