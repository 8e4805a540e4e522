"""A learner: a task on a resident model, whose parameters are views of one flat vector."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch

from fedkd import vectors
from fedkd.tasks.base import Batch, Task
from fedkd_compression import Named

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fedkd.data import Split

EVALUATION_BATCH = 2048


class Resident(ABC):
    """A model that lives where it is trained, as one flat vector, and can be evaluated.

    Attributes:
        vector: the resident flat parameters [d].
        parameters: views of ``vector``, in order.
        names: of the parameters.
    """

    vector: Tensor
    parameters: list[Tensor]
    names: tuple[str, ...]

    @property
    def tensors(self) -> tuple[Named, ...]:
        """Name and shape of every parameter, as operators that treat them apart want to know."""
        shapes = (tuple(parameter.shape) for parameter in self.parameters)
        return tuple(Named(name, shape) for name, shape in zip(self.names, shapes, strict=True))

    def load(self, x: Tensor) -> None:
        """Copy a vector [d] into the resident model."""
        self.vector.copy_(x)

    @abstractmethod
    def on(self, device: str) -> Resident:
        """Another one on a device, with the same parameters."""

    @abstractmethod
    def evaluate(self, vector: Tensor, split: Split) -> dict[str, float]:
        """The quality of a model [d] on samples."""


class Learner(Resident):
    """The object that solvers drive: load a vector, ask for gradients, step on ``parameters`` in place."""

    @abstractmethod
    def gradients(self, batch: Batch) -> list[Tensor]:
        """Gradients at the resident parameters, one per entry of ``parameters``."""

    @abstractmethod
    def begin_epoch(self) -> None:
        """Forget what was seen: ``report`` speaks of the batches that follow."""

    @abstractmethod
    def report(self, seen: Batch) -> tuple[float, ...]:
        """The task's ``metrics`` on the samples seen since ``begin_epoch``."""


class NetworkLearner(Learner):
    """A network and a task with autograd.

    Args:
        module: keeps no buffers; its parameters become views of ``vector``.
        task: gives the loss.
    """

    def __init__(self, module: nn.Module, task: Task) -> None:
        self.module = module
        self.task = task
        self.vector = vectors.bind(module)
        self.names, parameters = zip(*module.named_parameters(), strict=True)
        self.parameters = list(parameters)
        self._outputs: list[Tensor] = []

    def on(self, device: str) -> Learner:
        """Copy the network."""
        return NetworkLearner(copy.deepcopy(self.module).to(device), self.task)

    def gradients(self, batch: Batch) -> list[Tensor]:
        """One forward and one backward pass."""
        outputs = self.module(batch.x)
        self._outputs.append(outputs.detach())
        return list(torch.autograd.grad(self.task.loss(outputs, batch), self.parameters))

    def begin_epoch(self) -> None:
        """Drop the collected outputs."""
        self._outputs.clear()

    def report(self, seen: Batch) -> tuple[float, ...]:
        """Diagnose the outputs that training itself produced: no further pass over the samples."""
        return self.task.diagnose(torch.cat(self._outputs), seen)

    def evaluate(self, vector: Tensor, split: Split) -> dict[str, float]:
        """Loss and accuracy in evaluation batches."""
        self.load(vector)
        with torch.no_grad():
            outputs = torch.cat([self.module(x) for x in torch.split(split.x, EVALUATION_BATCH)])
        return self.task.evaluate(outputs, split.y)
