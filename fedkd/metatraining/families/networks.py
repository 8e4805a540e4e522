"""Small networks on classified samples: the tasks of a client."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch

from fedkd.metatraining.families.base import Family, Start

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression import Key


_LAYER = 1500
"""Numbers that take as long as what a layer costs besides."""


class Networks(Family):
    """Multilayer perceptrons with ReLU, cross-entropy on batches drawn with replacement.

    Args:
        x: samples [N, features].
        y: their classes [N].
        hidden: widths of the hidden layers.
        batch: samples of a step.
    """

    ceiling = 4.6
    """Twice the loss of an answer that knows nothing of ten classes."""
    floor = 1e-3

    def __init__(self, x: Tensor, y: Tensor, hidden: tuple[int, ...], batch: int) -> None:
        self.x, self.y, self.batch = x, y, batch
        self.widths = (x.shape[1], *hidden, int(y.max()) + 1)
        self.work = work_of(self.widths)
        self._gradients = torch.func.vmap(torch.func.grad_and_value(loss))

    def begin(self, stream: Key) -> Start:
        """Weights as torch draws them: uniform within 1/sqrt(inputs)."""
        return Start(drawn_network(self.widths, stream), [])

    def draws(self, streams: Key, steps: int) -> Tensor:
        """Places of the samples [n, steps, batch]."""
        places = (streams.uniforms(steps * self.batch) * len(self.x)).long()
        return places.view(-1, steps, self.batch)

    def slopes(self, params: list[Tensor], fixed: list[Tensor], drawn: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Of the mean cross-entropy of the batch."""
        grads, losses = self._gradients(params, self.x[drawn], self.y[drawn])
        return losses, list(grads)


def work_of(widths: tuple[int, ...]) -> float:
    """About how long a perceptron's step takes: its weights and biases, and so much for each layer."""
    return float(sum(_LAYER + (inputs + 1) * outputs for inputs, outputs in pairwise(widths)))


def drawn_network(widths: tuple[int, ...], stream: Key) -> list[Tensor]:
    """Weights [inputs, outputs] and biases of a perceptron, uniform within 1/sqrt(inputs)."""
    params = []
    for index, (inputs, outputs) in enumerate(pairwise(widths)):
        values = (2 * stream.fold("layer", index).uniforms((inputs + 1) * outputs)[0] - 1) / inputs**0.5
        params += [values[: inputs * outputs].view(outputs, inputs), values[inputs * outputs :].clone()]
    return params


def loss(params: list[Tensor], x: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy of one network on one batch."""
    for index in range(0, len(params), 2):
        x = torch.nn.functional.linear(torch.relu(x) if index else x, params[index], params[index + 1])
    return torch.nn.functional.cross_entropy(x, y)
