"""A learner: a task on a resident model, whose parameters are views of one flat buffer."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from fedkd import vectors
from fedkd.tasks.backward import Autograd, Backward, Fused, Network, Stack
from fedkd.tasks.base import Batch, Task
from fedkd_compression import Named

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fedkd.beside import Beside
    from fedkd.data import Split
    from fedkd.trainers.descents import Descent
    from fedkd.trainers.solvers import Solver
    from fedkd.vectors import Flat

EVALUATION_BATCH = 2048


class Resident(ABC):
    """A model that lives where it is trained, and can be evaluated.

    Attributes:
        flat: the resident parameters.
        names: of the parameters.
    """

    flat: Flat
    names: tuple[str, ...]

    @property
    def vector(self) -> Tensor:
        """The resident parameters as a new vector [d]."""
        return self.flat.read()

    @property
    def dim(self) -> int:
        """d, the number of parameters."""
        return self.flat.buffer.shape[-1]

    @property
    def dtype(self) -> torch.dtype:
        """Of the parameters."""
        return self.flat.buffer.dtype

    @property
    def device(self) -> torch.device:
        """Where the model lives."""
        return self.flat.buffer.device

    @property
    def tensors(self) -> tuple[Named, ...]:
        """Name and shape of every parameter, as operators that treat them apart want to know."""
        return tuple(Named(name, shape) for name, shape in zip(self.names, self.flat.shapes, strict=True))

    @property
    def keeps(self) -> int:
        """Numbers that a client keeps between its rounds beside its links' memories, m."""
        return 0

    def load(self, x: Tensor) -> None:
        """Copy a vector [d] into the resident model."""
        self.flat.load(x)

    def begin(self, round_: int) -> None:
        """A round begins, counted from 0: what is trained may depend on it."""
        return

    @abstractmethod
    def on(self, device: str) -> Resident:
        """Another one on a device, with the same parameters."""

    @abstractmethod
    def evaluate(self, vector: Tensor, split: Split) -> dict[str, float]:
        """The quality of a model [d] on samples."""


class Learner(Resident):
    """What trainers drive: load a vector, prepare samples, compute gradients, report."""

    def start(self, x: Tensor, kept: Tensor | None, solver: Solver) -> Descent:
        """A client's update from the received model x [d] begins, with what the client kept [m], where anything is."""
        self.load(x)
        return solver.start(self.flat)

    def remembered(self) -> Tensor | None:
        """What the client that was trained last keeps until its next round [m]."""
        return None

    @abstractmethod
    def backward(self, fused: Fused) -> Backward:
        """What computes gradients at the resident parameters."""

    def prepared(self, samples: Batch) -> Batch:
        """An epoch's samples as its batches are to be cut from: what all batches need is done once."""
        return samples

    @abstractmethod
    def report(self, outputs: Sequence[Tensor], seen: Batch) -> tuple[float, ...]:
        """The task's ``metrics`` on the samples of the last epoch, from what the network answered to its batches."""

    def told(self, outputs: Sequence[Tensor], seen: Batch) -> Tensor | None:
        """What the client sends beside its update, from the same."""
        return None


class NetworkLearner(Learner):
    """A network and a task.

    On a CPU convolutions have their channels innermost, where they are fastest by far; so do the samples.

    Args:
        module: keeps no buffers; its parameters become views of ``flat``.
        task: gives the loss.
        beside: what travels beside the model, if anything.

    Attributes:
        task: that of the round.
        kept: what a trainer keeps from one call to the next, as long as the learner lives: buffers, timings, nothing
            that a result depends on.
    """

    def __init__(self, module: nn.Module, task: Task, beside: Beside | None = None) -> None:
        self.module, self.task, self._scheduled, self._beside = module, task, task, beside
        self.kept: object = None
        convolutions = any(isinstance(part, torch.nn.Conv2d) for part in module.modules())
        self.flat = vectors.bind(module, convolutions and _on_cpu(module))
        self.names = tuple(name for name, _ in module.named_parameters())
        self._classes = 0
        self._take(task.at(0))

    def on(self, device: str) -> NetworkLearner:
        """Copy the network."""
        return NetworkLearner(copy.deepcopy(self.module).to(device), self._scheduled, self._beside)

    def begin(self, round_: int) -> None:
        """Take the round's task, where it is another."""
        task = self._scheduled.at(round_)
        if task != self.task:
            self._take(task)

    def backward(self, fused: Fused) -> Network:
        """Layer by layer where the network allows it."""
        return self._fused if fused == "auto" else self._autograd

    def prepared(self, samples: Batch) -> Batch:
        """Images as convolutions want them, and the task's aim."""
        aim = self.task.aim(samples, self._outputs(samples), self.dtype)
        return samples._replace(x=self.laid(samples.x), aim=aim)

    def report(self, outputs: Sequence[Tensor], seen: Batch) -> tuple[float, ...]:
        """Diagnose the outputs that training itself produced: no further pass over the samples."""
        return self.task.diagnose(torch.cat(list(outputs)), seen)

    def told(self, outputs: Sequence[Tensor], seen: Batch) -> Tensor | None:
        """What the rule gathers."""
        return None if self._beside is None else self._beside.gather(torch.cat(list(outputs)), seen)

    def evaluate(self, vector: Tensor, split: Split) -> dict[str, float]:
        """Loss and accuracy in evaluation batches."""
        self.load(vector)
        with torch.no_grad():
            outputs = torch.cat([self.module(self.laid(x)) for x in torch.split(split.x, EVALUATION_BATCH)])
        return self.task.evaluate(outputs, split.y)

    def _take(self, task: Task) -> None:
        self.task = task
        stack = Stack.of(self.module, task)
        self._autograd = Autograd(self.module, task, stack if isinstance(stack, str) else "fused=off")
        self._fused = self._autograd if isinstance(stack, str) else stack

    def laid(self, x: Tensor) -> Tensor:
        """Samples as this network's convolutions want them."""
        if not self.flat.channels_last or x.ndim != 4:
            return x
        if x.shape[1] == 1 and x.is_contiguous():
            # Of one channel both orders are the same bytes; only these strides tell the convolution which is meant.
            return x.as_strided(x.shape, (x.stride(0), 1, x.stride(2), 1))
        return x.contiguous(memory_format=torch.channels_last)

    def _outputs(self, samples: Batch) -> int:
        """Number of classes, as the network itself says it."""
        if not self._classes:
            with torch.no_grad():
                self._classes = self.module(samples.x[:1]).shape[-1]
        return self._classes


def _on_cpu(module: nn.Module) -> bool:
    return all(parameter.device.type == "cpu" for parameter in module.parameters())
