"""Perceptrons that learn together: the same first weights and the same batches, another aim each.

Shapes: K networks, samples x [n, features], aims [K, n, classes].
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from fedkd.errors import ConfigurationError
from fedkd.models import Mlp
from fedkd.tasks.backward.layers import Layer, Rectifier, Saved
from fedkd.trainers.batched.layered import LinearLayers
from fedkd.trainers.descents import Descent
from fedkd.vectors import Flat, flatten
from sims import options

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.data import Split
    from fedkd_compression import Key

CHUNK = 1000
SOLVERS = ("sgd", "adam")


@dataclass(frozen=True)
class Recipe:
    """A perceptron and how it learns: its rate falls linearly to zero.

    Args:
        hidden: width of each hidden layer.
        epochs: passes over the samples, >= 1.
        batch_size: samples a step, >= 1; the last batch of an epoch may be smaller.
        learning_rate: of the first step, > 0.
        solver: "sgd" with Nesterov's momentum 0.9, or "adam". Under SGD the logits of a sample keep their mean over
            the classes, for the gradient of a softmax sums to zero; under Adam they do not.
    """

    hidden: tuple[int, ...]
    epochs: int
    batch_size: int
    learning_rate: float
    solver: str

    def __post_init__(self) -> None:
        options.one_of("solver", self.solver, SOLVERS)

    def train(self, samples: Split, aims: Tensor, key: Key) -> Networks:
        """One network an aim, each minimising the mean of CE(aim, softmax(z)); paired in all else.

        Raises:
            ConfigurationError: the training diverged.
        """
        networks = self._begin(samples.shape, aims, key.fold("model"))
        gradients = Gradients(networks.flat)
        networks.flat.buffer.grad = gradients.buffer
        optimizer = self._optimizer(networks.flat.buffer)
        x = samples.x.flatten(1)
        batches = list(self._batches(len(samples), key.fold("order")))
        for done, rows in enumerate(batches):
            optimizer.param_groups[0]["lr"] = self.learning_rate * (1 - done / len(batches))
            networks.differentiate(x[rows], aims[:, rows], gradients)
            optimizer.step()
        networks.flat.buffer.grad = None
        if not bool(networks.flat.buffer.isfinite().all()):
            raise ConfigurationError(f"learning_rate={self.learning_rate:g}: diverged; choose a smaller one")
        return networks

    def _begin(self, shape: tuple[int, ...], aims: Tensor, key: Key) -> Networks:
        network = Mlp(self.hidden).build(shape, aims.shape[-1], key)
        shapes = [tuple(parameter.shape) for parameter in network.parameters()]
        return Networks(Flat(flatten(network).repeat(len(aims), 1), shapes))

    def _batches(self, count: int, key: Key) -> Iterator[Tensor]:
        for epoch in range(self.epochs):
            order = torch.from_numpy(key.fold(epoch).permutation(count))
            yield from torch.split(order, self.batch_size)

    def _optimizer(self, buffer: Tensor) -> torch.optim.Optimizer:
        if self.solver == "adam":
            return torch.optim.Adam([buffer], lr=self.learning_rate, fused=True)
        return torch.optim.SGD([buffer], lr=self.learning_rate, momentum=0.9, nesterov=True, fused=True)


class Gradients(Descent):
    """Gradients side by side in one buffer, for an optimizer of torch's."""

    def __init__(self, flat: Flat) -> None:
        super().__init__(flat, states=1)

    @property
    def buffer(self) -> Tensor:
        """All of them, [K, d]."""
        return self._states[0].buffer

    def give(self, index: int, gradient: Tensor) -> None:
        """Keep it."""
        self._states[0].views[index].copy_(gradient)

    def give_product(self, index: int, left: Tensor, right: Tensor) -> None:
        """Compute it where it is kept."""
        self._states[0].views[index].copy_(torch.bmm(left, right))


class Networks:
    """Stacked perceptrons.

    Args:
        flat: parameters [K, d].
    """

    def __init__(self, flat: Flat) -> None:
        self.flat = flat
        self._layers: list[Layer] = []
        for index in range(0, len(flat.shapes), 2):
            self._layers += [Rectifier()] * (index > 0) + [LinearLayers(index, bias=True)]

    def pick(self, indices: Sequence[int]) -> Networks:
        """Some of them, copied."""
        return Networks(Flat(self.flat.buffer[list(indices)], self.flat.shapes))

    def logits(self, x: Tensor) -> Tensor:
        """Answers [K, n, classes] to samples x [n, ...]."""
        return torch.cat([self._forward(part)[0] for part in torch.split(x.flatten(1), CHUNK)], dim=1)

    def accuracies(self, samples: Split) -> list[float]:
        """Share of right answers of each."""
        right = torch.zeros(len(self.flat.buffer), dtype=torch.int64)
        for x, y in zip(torch.split(samples.x.flatten(1), CHUNK), torch.split(samples.y, CHUNK), strict=True):
            right += (self._forward(x)[0].argmax(-1) == y).sum(-1)
        return [count / len(samples) for count in right.tolist()]

    def differentiate(self, x: Tensor, aims: Tensor, descent: Descent) -> None:
        """Give the gradients of all losses on a batch x [b, features], aims [K, b, classes].

        In the outputs z it is (softmax(z) - aim) / b.
        """
        outputs, kept = self._forward(x)
        gradient = torch.softmax(outputs, dim=-1).sub_(aims).div_(len(x))
        for position in range(len(self._layers) - 1, -1, -1):
            gradient = self._layers[position].backward(gradient, kept[position], descent, position > 0)

    def _forward(self, x: Tensor) -> tuple[Tensor, list[Saved]]:
        kept: list[Saved] = []
        x = x.expand(len(self.flat.buffer), *x.shape)
        for layer in self._layers:
            x, saved = layer.forward(x, self.flat.views)
            kept.append(saved)
        return x, kept
