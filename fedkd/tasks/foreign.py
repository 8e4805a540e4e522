"""Training code that was written elsewhere, for instance for Flower: four functions, and no change to any of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from fedkd.data import Dataset, Source, Split
from fedkd.data.bounds import within
from fedkd.errors import ConfigurationError
from fedkd.tasks.seeded import seeded

if TYPE_CHECKING:
    from torch import nn

    from fedkd_compression import Key


class Foreign(ABC):
    """A task that brings its own network, data, training and test: subclass it as a frozen dataclass.

    Its fields are the configuration (``task.epochs=2``). Each function is called with torch's, NumPy's and Python's
    generators seeded from the run's key, so a round is a function of the received model, the client and the round;
    what it keeps elsewhere (a module's globals, an optimizer) is not carried from round to round.

    Example:
        >>> @dataclass(frozen=True)
        ... class Quickstart(Foreign):
        ...     def model(self):
        ...         return Net()
        ...     def loaders(self, client, clients):
        ...         return load_data(client, clients)
        ...     def train(self, net, loader, device):
        ...         return train(net, loader, 1, 0.1, device)
        ...     def test(self, net, loader, device):
        ...         return test(net, loader, device)
    """

    metrics: ClassVar[tuple[str, ...]] = ("train_loss",)

    @abstractmethod
    def model(self) -> nn.Module:
        """A new network of float32 parameters, without buffers; its weights are the run's first."""

    @abstractmethod
    def loaders(self, client: int, clients: int) -> tuple[Any, Any]:
        """A client's training and test samples, ``client`` in [0, clients): what ``train`` and ``test`` are given.

        Made anew for every round of the client. The training loader has its samples in ``dataset``, which has a length.
        """

    @abstractmethod
    def train(self, net: nn.Module, loader: Any, device: torch.device) -> float:
        """Train the network, which is on the device, in place; the result is the training loss."""

    @abstractmethod
    def test(self, net: nn.Module, loader: Any, device: torch.device) -> tuple[float, float]:
        """Loss and accuracy on samples."""

    def samples(self, client: int, clients: int) -> int:
        """How many training samples a client has: its weight. Override it where they lie on the client's node alone."""
        return size(self.loaders(client, clients)[0])

    def held_out(self) -> Any | None:
        """Samples that the server's model is tested on; None takes every client's own test samples."""
        return None


@dataclass(frozen=True)
class ForeignData(Source):
    """As many samples of every client as its loader has; what they are, only the foreign code sees.

    Args:
        code: the task.
        clients: number of clients.

    Shapes: x [n, 0]; y [n], the client of each sample.
    """

    code: Foreign
    clients: int

    def __post_init__(self) -> None:
        within(self, "clients", 1, 10**8)

    def load(self, key: Key) -> Dataset:
        """Count the samples.

        Raises:
            ConfigurationError: a client has none.
        """
        owner = np.repeat(np.arange(self.clients, dtype=np.int64), [self._count(i, key) for i in range(self.clients)])
        train = Split(torch.zeros(len(owner), 0), torch.from_numpy(owner))
        none = Split(torch.zeros(0, 0), torch.zeros(0, dtype=torch.int64))
        return Dataset(type(self.code).__name__.lower(), train, none, none, 0, owner)

    def _count(self, client: int, key: Key) -> int:
        with seeded(key.fold(client), "cpu"):
            count = self.code.samples(client, self.clients)
        if count < 1:
            name = type(self.code).__name__
            raise ConfigurationError(
                f"{name}: client {client} has {count} training samples, needs 1; choose fewer clients"
            )
        return count


def size(loader: Any) -> int:
    """How many samples a loader goes through.

    Raises:
        ConfigurationError: it has no ``dataset`` of known length.
    """
    dataset = getattr(loader, "dataset", None)
    if not isinstance(dataset, Sized):
        kind = type(loader).__name__
        raise ConfigurationError(
            f"loaders: {kind} has no dataset of known length; give a torch DataLoader, or define samples"
        )
    return len(dataset)
