"""A learner for convex tasks: closed-form gradients on a float64 vector, quality as excess loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from fedkd.tasks.backward import Backward, Fused
from fedkd.tasks.base import Batch
from fedkd.tasks.convex import ConvexTask, Optimum
from fedkd.tasks.learner import Learner
from fedkd.vectors import Flat, nothing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from fedkd.data import Split
    from fedkd.trainers.descents import Descent


class Objective(NamedTuple):
    """F = mean_i F_i over the clients: all their samples [n, d], weights [n] that sum to one, and its optimum."""

    x: Tensor
    y: Tensor
    weights: Tensor
    optimum: Optimum
    smoothness: float


def objective(task: ConvexTask, train: Split, weights: Tensor) -> Objective:
    """Solve the clients' common objective; samples of weight zero do not matter."""
    optimum = task.optimum(train.x, train.y, weights)
    return Objective(train.x, train.y, weights, optimum, task.smoothness(train.x, weights))


class ClosedForm(Backward):
    """The gradient that a convex task gives itself."""

    name = "closed form"

    def __init__(self, task: ConvexTask) -> None:
        self._task = task

    def __call__(self, batch: Batch, descent: Descent) -> Tensor:
        """The gradient at w; there are no outputs [0]."""
        (w,) = descent.parameters
        descent.give(0, self._task.gradient(w, batch.x, batch.y))
        return w[:0]


class ConvexLearner(Learner):
    """A convex task with w [d] as its only parameter."""

    def __init__(self, task: ConvexTask, common: Objective) -> None:
        self.task = task
        self.common = common
        dim = common.x.shape[1]
        self.flat, self.names = Flat(torch.zeros(dim, dtype=torch.float64), [(dim,)]), ("w",)
        self.carried = nothing(self.flat.buffer)

    def on(self, device: str) -> Learner:
        """Another vector; closed forms in float64 stay on the CPU."""
        learner = ConvexLearner(self.task, self.common)
        learner.load(self.vector)
        return learner

    def backward(self, fused: Fused) -> Backward:
        """The only one there is."""
        return ClosedForm(self.task)

    def report(self, outputs: Sequence[Tensor], seen: Batch) -> tuple[float, ...]:
        """The client's loss where it ended."""
        return (self.task.loss(self.flat.buffer, seen.x, seen.y).item(),)

    def evaluate(self, vector: Tensor, split: Split) -> dict[str, float]:
        """F(w), F(w) - F*, and what the task says of held-out samples."""
        common = self.common
        loss = self.task.loss(vector, common.x, common.y, common.weights).item()
        held_out = self.task.evaluate(vector, split.x, split.y) if len(split) else {}
        accuracy = {name: value for name, value in held_out.items() if name != "loss"}
        return {"loss": loss, "excess_loss": max(loss - common.optimum.loss, 0.0), **accuracy}
