"""Networks that no theta was trained on, on the digits that the first was."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from fedkd.metatraining.families import Family, Networks, Start

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression import Key

SIDE = 8
BATCH = 64


class Convolutional(Family):
    """Two convolutions of 3 x 3 with ReLU, a max-pooling of 2 x 2 after each, and a linear layer on digits.

    Args:
        x: images as rows [N, 64].
        y: classes [N].
        channels: of the convolutions.
    """

    ceiling, floor = 4.6, 1e-3

    def __init__(self, x: Tensor, y: Tensor, channels: tuple[int, int]) -> None:
        self._rows = Networks(x, y, (), BATCH)
        first, second = channels
        places = (SIDE // 4) ** 2
        self.shapes = ((first, 1, 3, 3), (first,), (second, first, 3, 3), (second,), (10, second * places), (10,))
        self.work = float(sum(torch.Size(shape).numel() for shape in self.shapes))
        self._gradients = torch.func.vmap(torch.func.grad_and_value(_loss))

    def begin(self, stream: Key) -> Start:
        """Uniform within 1/sqrt(inputs)."""
        params, inputs = [], 1
        for index, shape in enumerate(self.shapes):
            numbers = torch.Size(shape).numel()
            inputs = numbers // shape[0] if len(shape) > 1 else inputs
            values = (2 * stream.fold("layer", index).uniforms(numbers)[0] - 1) / inputs**0.5
            params.append(values.view(shape))
        return Start(params, [])

    def draws(self, streams: Key, steps: int) -> Tensor:
        """Places of the samples."""
        return self._rows.draws(streams, steps)

    def slopes(self, params: list[Tensor], fixed: list[Tensor], drawn: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Of the mean cross-entropy of the batch."""
        images = self._rows.x[drawn].view(*drawn.shape, 1, SIDE, SIDE)
        grads, losses = self._gradients(params, images, self._rows.y[drawn])
        return losses, list(grads)


def _loss(params: list[Tensor], x: Tensor, y: Tensor) -> Tensor:
    functional = torch.nn.functional
    for weight, bias in (params[0:2], params[2:4]):
        x = functional.max_pool2d(torch.relu(functional.conv2d(x, weight, bias, padding=1)), 2)
    return functional.cross_entropy(functional.linear(x.flatten(1), params[4], params[5]), y)


ELSEWHERE: dict[str, Callable[[Tensor, Tensor], Family]] = {
    "digits, wider: 64-128-10": lambda x, y: Networks(x, y, (128,), BATCH),
    "digits, deeper: 64-32-32-32-10": lambda x, y: Networks(x, y, (32, 32, 32), BATCH),
    "digits, convolutions 8 and 16": lambda x, y: Convolutional(x, y, (8, 16)),
}
