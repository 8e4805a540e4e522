"""How the gradients of many models' batches are computed at once."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch

from fedkd.tasks.base import Batch
from fedkd.trainers.batched.cohort import each

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fedkd.tasks.backward import Slope
    from fedkd.tasks.learner import Networked
    from fedkd.trainers.batched.cohort import Step
    from fedkd.trainers.descents import Descent

Precision = Literal["float32", "bfloat16"]


class Way(ABC):
    """Computes every model's gradients on its own batch, and gives them to a descent of all of them."""

    @abstractmethod
    def __call__(self, step: Step, descent: Descent, carried: Sequence[Tensor]) -> Tensor:
        """Give the gradient of every parameter [K, *shape] once; the result is what was answered [K, b, classes].

        Nothing waits for the device.

        Args:
            step: the batches.
            descent: of the models that go on.
            carried: their buffers [K, *shape], which move in place.
        """


class Networks:
    """Many of any network at once: torch.vmap over stacked parameters, and autograd.

    Args:
        unfold: convolutions as matrix products; else they become one convolution with a group a model.
        precision: of the passes forward and backward; parameters and samples are cast for them, gradients back.
    """

    def __init__(self, learner: Networked, unfold: bool, precision: Precision) -> None:
        self._precision = precision
        self._parameters = learner.names[: len(learner.flat.shapes)]
        self._carried = learner.names[len(learner.flat.shapes) :]
        self._module = _template(learner.module, unfold)
        self._counting = [name for name, _ in self._module.named_buffers() if name not in self._carried]
        # As one model after another would draw: with random numbers of its own.
        self._forward = torch.vmap(self._one, randomness="different")

    def descend(self, task: Slope, step: Step, descent: Descent, carried: Sequence[Tensor]) -> Tensor:
        """As a ``Way``, towards what a task aims at; all gradients exist before the first is given."""
        leaves = [parameter.detach().requires_grad_() for parameter in descent.parameters]
        with torch.enable_grad():
            outputs = self.outputs(leaves, carried, step.batch.x, step.counted)
        seen: Tensor = outputs.detach()
        gradients = torch.autograd.grad(outputs, leaves, slope(task, seen, step))
        for index, gradient in enumerate(gradients):
            descent.give(index, gradient)
        return seen

    def outputs(
        self, parameters: Sequence[Tensor], carried: Sequence[Tensor], x: Tensor, counted: Tensor | None
    ) -> Tensor:
        """What every model answers to samples of its own [K, b, classes], in the type of the parameters.

        Args:
            parameters: of all models, in the network's order [K, *shape].
            carried: their buffers [K, *shape]; running statistics move in place.
            x: samples [K, b, *shape].
            counted: whether a sample counts in a batch's statistics [K, b]; None where all do.
        """
        tensors = dict(zip(self._parameters, map(self._cast, parameters), strict=True))
        tensors |= zip(self._carried, carried, strict=True)
        if self._counting:
            given = parameters[0].new_ones(x.shape[:2]) if counted is None else counted.to(parameters[0].dtype)
            tensors |= dict.fromkeys(self._counting, given)
        answers: Tensor = self._forward(tensors, self._cast(x))
        return answers.to(parameters[0].dtype)

    def _one(self, tensors: dict[str, Tensor], x: Tensor) -> Tensor:
        outputs: Tensor = torch.func.functional_call(self._module, tensors, (x,))
        return outputs

    def _cast(self, value: Tensor) -> Tensor:
        return value.to(torch.bfloat16) if self._precision == "bfloat16" else value


class Vectorised(Way):
    """Networks and a task."""

    def __init__(self, networks: Networks, task: Slope) -> None:
        self._networks, self._task = networks, task

    def __call__(self, step: Step, descent: Descent, carried: Sequence[Tensor]) -> Tensor:
        """By autograd."""
        return self._networks.descend(self._task, step, descent, carried)


def slope(task: Slope, outputs: Tensor, step: Step) -> Tensor:
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
