"""Many networks of linear layers at once, layer by layer, each with its step: no autograd, no gradient stored.

Of one network ``fedkd.tasks.backward.Stack`` does the same. Letters: x the input [K, b, inputs], y the output, g the
gradient of the losses in y, W the weights [K, outputs, inputs].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from fedkd.tasks.backward.layers import Layer, Rectifier, Saved
from fedkd.tasks.learner import NetworkLearner
from fedkd.trainers.batched.ways import Way, slope

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.backward import Slope
    from fedkd.tasks.learner import Networked
    from fedkd.trainers.batched.cohort import Step
    from fedkd.trainers.descents import Descent


class LinearLayers(Layer):
    """y = x W^T + b for every model; gradients g^T x in W and the sum of g in b, g W in x."""

    def __init__(self, index: int, bias: bool) -> None:
        self._weight, self._bias = index, index + 1 if bias else None

    def forward(self, x: Tensor, parameters: Sequence[Tensor]) -> tuple[Tensor, Saved]:
        """Keep x."""
        weight = parameters[self._weight].transpose(1, 2)
        if self._bias is None:
            return torch.bmm(x, weight), (x,)
        return torch.baddbmm(parameters[self._bias].unsqueeze(1), x, weight), (x,)

    def backward(self, g: Tensor, saved: Saved, descent: Descent, wanted: bool) -> Tensor:
        """The gradient in x comes first: a step may change W."""
        (x,) = saved
        below = torch.bmm(g, descent.parameters[self._weight]) if wanted else g
        descent.give_product(self._weight, g.transpose(1, 2), x)
        if self._bias is not None:
            descent.give(self._bias, g.sum(1))
        return below


class Layered(Way):
    """Linear layers and ReLU, on samples as rows."""

    def __init__(self, layers: Sequence[Layer], task: Slope) -> None:
        self._layers, self._task = layers, task

    @staticmethod
    def of(learner: Networked) -> Layered | None:
        """For a task and a sequence of Flatten, Linear and ReLU; None for others."""
        nn, parts = torch.nn, list(learner.module.children())
        if not isinstance(learner, NetworkLearner) or not isinstance(learner.module, nn.Sequential) or not parts:
            return None
        if type(parts[0]) is nn.Flatten and (parts[0].start_dim, parts[0].end_dim) == (1, -1):
            parts = parts[1:]
        elif len(learner.flat.shapes[0]) != 2:
            return None
        layers: list[Layer] = []
        index = 0
        for part in parts:
            if type(part) is nn.Linear:
                layers.append(LinearLayers(index, part.bias is not None))
            elif type(part) is nn.ReLU and layers:
                layers.append(Rectifier())
            else:
                return None
            index += sum(1 for _ in part.parameters())
        return Layered(layers, learner.task) if layers else None

    def __call__(self, step: Step, descent: Descent, carried: Sequence[Tensor]) -> Tensor:
        """Forward through all layers, then backward; a layer gives its gradients after it has used its parameters."""
        with torch.no_grad():
            parameters = descent.parameters
            x, kept = step.batch.x.flatten(2), list[Saved]()
            for layer in self._layers:
                x, saved = layer.forward(x, parameters)
                kept.append(saved)
            outputs, gradient = x, slope(self._task, x, step)
            for position in range(len(self._layers) - 1, -1, -1):
                gradient = self._layers[position].backward(gradient, kept[position], descent, position > 0)
            return outputs
