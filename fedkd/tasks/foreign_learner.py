"""A learner whose training and evaluation are foreign code's own."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch

from fedkd import vectors
from fedkd.errors import ConfigurationError
from fedkd.tasks.foreign import Foreign, size
from fedkd.tasks.learner import Resident
from fedkd.tasks.seeded import seeded

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fedkd.data import Split
    from fedkd_compression import Key


class ForeignLearner(Resident):
    """A foreign network, of which every call gets a copy of its own: nothing that one leaves on it reaches another.

    Args:
        code: the task.
        clients: number of clients.
        module: keeps no buffers; its parameters become views of ``flat``.
        key: of the samples; the same in every round.

    Raises:
        ConfigurationError: the network has buffers, or parameters that are not float32.
    """

    def __init__(self, code: Foreign, clients: int, module: nn.Module, key: Key) -> None:
        for name, _ in module.named_buffers():
            raise ConfigurationError(f"model: buffer {name} would not travel; choose GroupNorm, which keeps none")
        for name, parameter in module.named_parameters():
            if parameter.dtype != torch.float32:
                raise ConfigurationError(f"model: parameter {name} is {parameter.dtype}; make it float32")
        self.code, self.clients, self.module = code, clients, module
        self.flat = vectors.bind(module)
        self.carried = vectors.nothing(self.flat.buffer)
        self.names = tuple(name for name, _ in module.named_parameters())
        self._key = key

    @staticmethod
    def of(code: Foreign, clients: int, model: Key, data: Key) -> ForeignLearner:
        """With the first weights that the code itself draws."""
        with seeded(model, "cpu"):
            return ForeignLearner(code, clients, code.model(), data)

    def on(self, device: str) -> ForeignLearner:
        """Copy the network."""
        return ForeignLearner(self.code, self.clients, copy.deepcopy(self.module).to(device), self._key)

    def train(self, client: int, x: Tensor, key: Key) -> tuple[Tensor, float]:
        """Train from x [d] on a client's samples; the result is x - local [d] and the training loss."""
        loader, _ = self._loaders(client)
        net = self._copy(x).train()
        with seeded(key, self.device):
            loss = self.code.train(net, loader, self.device)
        return x - vectors.flatten(net).to(x.device), float(loss)

    def evaluate(self, vector: Tensor, split: Split) -> dict[str, float]:
        """Loss and accuracy on what is held out, or the clients' means, weighted by samples; ``split`` has none."""
        common = self.code.held_out()
        loaders = [self._loaders(client)[1] for client in range(self.clients)] if common is None else [common]
        sizes = [size(loader) for loader in loaders]
        results = [self._test(vector, loader) for loader in loaders]
        loss, accuracy = (sum(n * r[i] for n, r in zip(sizes, results, strict=True)) / sum(sizes) for i in (0, 1))
        return {"loss": loss, "accuracy": accuracy}

    def _test(self, vector: Tensor, loader: Any) -> tuple[float, float]:
        net = self._copy(vector).eval()
        with seeded(self._key.fold("test"), self.device):
            loss, accuracy = self.code.test(net, loader, self.device)
        return float(loss), float(accuracy)

    def _loaders(self, client: int) -> tuple[Any, Any]:
        """The same samples in the same splits, whenever they are asked for."""
        with seeded(self._key.fold(client), self.device):
            train, test = self.code.loaders(client, self.clients)
        return train, test

    def _copy(self, x: Tensor) -> nn.Module:
        net = copy.deepcopy(self.module)
        vectors.bind(net).load(x)
        return net
