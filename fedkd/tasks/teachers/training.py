"""Training of a teacher network, and its logits on many samples."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd.errors import ConfigurationError
from fedkd.models.modes import evaluating
from fedkd.tasks.checks import require_at_least, require_positive, require_within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from fedkd.data.dataset import Split
    from fedkd.models.base import Model
    from fedkd_compression.keys import Key

CHUNK = 1000


@dataclass(frozen=True)
class Recipe:
    """How a teacher is trained: Adam on the cross-entropy, its rate falling linearly to zero.

    Args:
        owner: Name of the teacher, for errors.
        model: The network's configuration.
        epochs: Passes over the samples, >= 1.
        batch_size: Samples a step, >= 1; the last batch of an epoch may be smaller.
        learning_rate: Rate of the first step, > 0.
        threads: Torch threads; a part of the result, since sums over other threads differ in their last bits.
    """

    owner: str
    model: Model
    epochs: int
    batch_size: int
    learning_rate: float
    threads: int

    def __post_init__(self) -> None:
        require_at_least(self.owner, "epochs", self.epochs, 1)
        require_at_least(self.owner, "batch_size", self.batch_size, 1)
        require_positive(self.owner, "learning_rate", self.learning_rate)
        require_within(self.owner, "threads", self.threads, 1, 1024)

    def train(self, samples: Split, classes: int, key: Key) -> torch.nn.Module:
        """A frozen network trained on the samples; a function of the key and the samples alone.

        Raises:
            ConfigurationError: the training diverged.
        """
        with pinned_threads(self.threads):
            network = self.model.build(samples.shape, classes, key.fold("model"))
            # Channels last: the same function, and a third less time in convolutions on a CPU.
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            network = network.to(samples.x.device).train()
            self._descend(network, samples, key.fold("order"))
        if not all(bool(p.isfinite().all()) for p in network.parameters()):
            rate = self.learning_rate
            raise ConfigurationError(f"{self.owner}: learning_rate={rate:g} diverged; choose a smaller one")
        return network.eval().requires_grad_(False)

    def _descend(self, network: torch.nn.Module, samples: Split, key: Key) -> None:
        optimizer = torch.optim.Adam(network.parameters(), lr=self.learning_rate, fused=True)
        count = len(samples)
        steps = self.epochs * -(-count // self.batch_size)
        for step, indices in enumerate(self._batches(count, key)):
            optimizer.param_groups[0]["lr"] = self.learning_rate * (1 - step / steps)
            x, y = samples.x[indices], samples.y[indices]
            optimizer.zero_grad()
            torch.autograd.backward(torch.nn.functional.cross_entropy(network(x), y))
            optimizer.step()

    def _batches(self, count: int, key: Key) -> Iterator[Tensor]:
        for epoch in range(self.epochs):
            order = torch.from_numpy(key.fold(epoch).permutation(count))
            yield from torch.split(order, self.batch_size)


@contextmanager
def pinned_threads(threads: int) -> Iterator[None]:
    """Torch with this many threads, and with the former number afterwards."""
    former = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(former)


def predict(network: torch.nn.Module, x: Tensor) -> Tensor:
    """Logits [n, classes] of samples x [n, *shape], in evaluation mode and without gradient."""
    with torch.no_grad(), evaluating(network):
        return torch.cat([network(chunk) for chunk in torch.tensor_split(x, max(-(-len(x) // CHUNK), 1))])


def measured_accuracy(network: torch.nn.Module, test: Split, at_most: int) -> dict[str, float]:
    """The summary's ``teacher_test_accuracy``, on at most so many evenly spaced samples; empty without any."""
    if len(test) == 0:
        return {}
    # Evenly spaced, since a test split may be sorted by class.
    some = test.take(np.arange(0, len(test), -(-len(test) // at_most)))
    correct = predict(network, some.x).argmax(-1) == some.y
    return {"teacher_test_accuracy": correct.double().mean().item()}
