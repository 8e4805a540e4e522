"""How the gradients of many models' batches are computed at once."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

import torch

from fedkd.tasks.base import Batch, Task
from fedkd.trainers.batched.cohort import each

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fedkd.tasks.learner import NetworkLearner
    from fedkd.trainers.batched.cohort import Step
    from fedkd.trainers.descents import Descent

Precision = Literal["float32", "bfloat16"]


class Way(ABC):
    """Computes every model's gradients on its own batch, and gives them to a descent of all of them."""

    @abstractmethod
    def __call__(self, step: Step, descent: Descent) -> Tensor:
        """Give the gradient of every parameter [K, *shape] once; the result is what was answered [K, b, classes].

        Nothing waits for the device.
        """


class Vectorised(Way):
    """Any network: torch.vmap over stacked parameters, and autograd.

    Args:
        unfold: convolutions as matrix products; else they become one convolution with a group a model.
        precision: of the passes forward and backward; parameters and samples are cast for them, gradients back.
    """

    def __init__(self, learner: NetworkLearner, unfold: bool, precision: Precision) -> None:
        self._task, self._precision = learner.task, precision
        self._names, self._module = learner.names, _template(learner.module, unfold)
        # As one model after another would draw: with random numbers of its own.
        self._forward = torch.vmap(self._one, randomness="different")

    def __call__(self, step: Step, descent: Descent) -> Tensor:
        """All gradients exist before the first is given."""
        leaves = [parameter.detach().requires_grad_() for parameter in descent.parameters]
        with torch.enable_grad():
            parameters = dict(zip(self._names, map(self._cast, leaves), strict=True))
            outputs = self._forward(parameters, self._cast(step.batch.x)).to(leaves[0].dtype)
        seen: Tensor = outputs.detach()
        gradients = torch.autograd.grad(outputs, leaves, slope(self._task, seen, step))
        for index, gradient in enumerate(gradients):
            descent.give(index, gradient)
        return seen

    def _one(self, parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        outputs: Tensor = torch.func.functional_call(self._module, parameters, (x,))
        return outputs

    def _cast(self, value: Tensor) -> Tensor:
        return value.to(torch.bfloat16) if self._precision == "bfloat16" else value


def slope(task: Task, outputs: Tensor, step: Step) -> Tensor:
    """The gradient of every model's mean loss over its own batch in the outputs [K, b, classes]."""
    if task.separable:
        gradient = task.gradient(outputs, step.batch)
        return gradient if step.scale is None else gradient * step.scale
    gradient = torch.zeros_like(outputs)
    for model, length in enumerate(step.lengths):
        own = _of(step.batch, model).slice(0, length)
        gradient[model, :length] = task.gradient(outputs[model, :length], own)
    return gradient


def _of(batch: Batch, model: int) -> Batch:
    """One model's samples among those of all."""
    return each(batch, lambda part: part[model])


def _template(module: nn.Module, unfold: bool) -> nn.Module:
    """A copy without values, into which parameters are put for every call."""
    # A class of torch's modules exists only once torch is loaded.
    from fedkd.trainers.batched.rewritten import rewrite

    return rewrite(copy.deepcopy(module), unfold).to("meta")
