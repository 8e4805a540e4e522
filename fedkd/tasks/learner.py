"""A learner: a task on a resident model, whose parameters are views of one flat buffer."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from fedkd import vectors
from fedkd.models.modes import evaluating
from fedkd.tasks.backward import Autograd, Backward, Descending, Fused, Network, Stack
from fedkd.tasks.base import Batch, Task
from fedkd_compression import Key, Named

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fedkd.beside import Beside
    from fedkd.data import Split
    from fedkd.tasks.self_supervised import SelfSupervised
    from fedkd.trainers.descents import Descent
    from fedkd.trainers.solvers import Solver
    from fedkd.trainers.trainer import Pupil
    from fedkd.vectors import Flat

EVALUATION_BATCH = 2048


class Resident(ABC):
    """A model that lives where it is trained, and can be evaluated.

    Attributes:
        flat: the resident parameters [p].
        carried: the resident buffers [d - p]: what travels after the parameters, though no gradient moves it; empty
            where there is nothing of the kind.
        names: of the parameters, then of what is carried.
    """

    flat: Flat
    carried: Flat
    names: tuple[str, ...]

    @property
    def vector(self) -> Tensor:
        """The resident model as a new vector [d]: parameters, then what is carried."""
        parameters = self.flat.read()
        return torch.cat((parameters, self.carried.read())) if self.carried.shapes else parameters

    @property
    def dim(self) -> int:
        """d, how many numbers travel."""
        return self.flat.buffer.shape[-1] + self.carried.buffer.shape[-1]

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
        """Name and shape of every part of the vector, as operators that treat them apart want to know."""
        shapes = (*self.flat.shapes, *self.carried.shapes)
        return tuple(Named(name, shape) for name, shape in zip(self.names, shapes, strict=True))

    @property
    def keeps(self) -> int:
        """Numbers that a client keeps between its rounds beside its links' memories, m."""
        return 0

    def load(self, x: Tensor) -> None:
        """Copy a vector [d] into the resident model."""
        parameters, carried = self.parts(x)
        self.flat.load(parameters)
        self.carried.load(carried)

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Of vectors [..., d] what is of the parameters [..., p] and what of the buffers [..., d - p], as views."""
        parameters, carried = torch.split(x, [self.flat.buffer.shape[-1], self.carried.buffer.shape[-1]], -1)
        return parameters, carried

    def begin(self, round_: int) -> None:
        """A round begins, counted from 0: what is trained may depend on it."""
        return

    def completed(self, anew: Sequence[str]) -> None:
        """The first model was loaded from elsewhere, but for tensors of these names: they may follow from it."""
        return

    @abstractmethod
    def on(self, device: str) -> Resident:
        """Another one on a device, with the same values."""

    @abstractmethod
    def evaluate(self, vector: Tensor, split: Split) -> dict[str, float]:
        """The quality of a model [d] on samples."""


class Learner(Resident):
    """What trainers drive: load a vector, prepare samples, compute gradients, report."""

    def start(self, pupil: Pupil, solver: Solver) -> Descent:
        """A client's update begins, from the model x [d] that it received."""
        self.load(pupil.x)
        return solver.start(self.flat)

    def updated(self, descent: Descent, x: Tensor) -> Tensor:
        """What the client sends [d]: for the parameters what the solver says, x - local for what is carried.

        Args:
            descent: that ``start`` gave, after the last batch.
            x: the received model [d].
        """
        parameters, carried = self.parts(x)
        update = descent.update(parameters)
        return torch.cat((update, self.carried.difference(carried))) if self.carried.shapes else update

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


class Networked(Learner):
    """A resident network.

    On a CPU convolutions have their channels innermost, where they are fastest by far; so do the samples.

    Args:
        module: its parameters become views of ``flat``, its buffers of ``carried``; it is in training mode.

    Attributes:
        task: that of the round.
        kept: what a trainer keeps from one call to the next, as long as the learner lives: buffers, timings, nothing
            that a result depends on.
    """

    task: Task | SelfSupervised

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.kept: object = None
        convolutions = any(isinstance(part, torch.nn.Conv2d) for part in module.modules())
        self.flat = vectors.bind(module, convolutions and _on_cpu(module))
        self.carried = vectors.bind_carried(module)
        self.names = tuple(name for name, _ in (*module.named_parameters(), *module.named_buffers()))
        stack = Stack.of(module)
        self._autograd = Autograd(module, stack if isinstance(stack, str) else "fused=off")
        self._fused = self._autograd if isinstance(stack, str) else stack
        self._width = 0

    @property
    @abstractmethod
    def constants(self) -> object:
        """What a step, once it is made or recorded, holds as it is: it serves as long as this stays equal."""

    def network(self, fused: Fused) -> Network:
        """The passes, layer by layer where the network allows it."""
        return self._fused if fused == "auto" else self._autograd

    def laid(self, x: Tensor) -> Tensor:
        """Samples as this network's convolutions want them."""
        return self.flat.laid(x)

    def drawn(self, keys: Sequence[Key], step: int, samples: int) -> Tensor | None:
        """What a step draws for so many samples of each client, by its key [clients, samples, ...]; None: nothing."""
        return None

    def width(self, x: Tensor) -> int:
        """Numbers that the network answers to a sample, as it says itself to the first of these."""
        if not self._width:
            with torch.no_grad(), evaluating(self.module):
                self._width = int(self.module(x[:1]).shape[-1])
        return self._width


class NetworkLearner(Networked):
    """A network and a task.

    Args:
        module: as for ``Networked``.
        task: gives the loss.
        beside: what travels beside the model, if anything.

    """

    task: Task

    def __init__(self, module: nn.Module, task: Task, beside: Beside | None = None) -> None:
        super().__init__(module)
        self.task, self._scheduled, self._beside = task.at(0), task, beside

    def on(self, device: str) -> NetworkLearner:
        """Copy the network."""
        return NetworkLearner(copy.deepcopy(self.module).to(device), self._scheduled, self._beside)

    def begin(self, round_: int) -> None:
        """Take the round's task."""
        self.task = self._scheduled.at(round_)

    @property
    def constants(self) -> Task:
        """The task of the round."""
        return self.task

    def backward(self, fused: Fused) -> Backward:
        """Between the passes the task's gradient."""
        return Descending(self.network(fused), self.task)

    def prepared(self, samples: Batch) -> Batch:
        """Images as convolutions want them, and the task's aim."""
        aim = self.task.aim(samples, self.width(samples.x), self.dtype)
        return samples._replace(x=self.laid(samples.x), aim=aim)

    def report(self, outputs: Sequence[Tensor], seen: Batch) -> tuple[float, ...]:
        """Diagnose the outputs that training itself produced: no further pass over the samples."""
        return self.task.diagnose(torch.cat(list(outputs)), seen)

    def told(self, outputs: Sequence[Tensor], seen: Batch) -> Tensor | None:
        """What the rule gathers."""
        return None if self._beside is None else self._beside.gather(torch.cat(list(outputs)), seen)

    def evaluate(self, vector: Tensor, split: Split) -> dict[str, float]:
        """Loss and accuracy in evaluation batches, by running statistics where there are some."""
        self.load(vector)
        with torch.no_grad(), evaluating(self.module):
            parts = torch.tensor_split(split.x, max(-(-len(split) // EVALUATION_BATCH), 1))
            outputs = torch.cat([self.module(self.laid(x)) for x in parts])
        return self.task.evaluate(outputs, split.y)


def _on_cpu(module: nn.Module) -> bool:
    return all(parameter.device.type == "cpu" for parameter in module.parameters())
