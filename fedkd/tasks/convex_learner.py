"""A learner for convex tasks: closed-form gradients on a float64 vector, quality as excess loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from fedkd.tasks.base import Batch
from fedkd.tasks.convex import ConvexTask, Optimum
from fedkd.tasks.learner import Learner

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.data import Split


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


class ConvexLearner(Learner):
    """A convex task with w [d] as its only parameter."""

    def __init__(self, task: ConvexTask, common: Objective) -> None:
        self.task = task
        self.common = common
        self.vector = torch.zeros(common.x.shape[1], dtype=torch.float64)
        self.parameters, self.names = [self.vector], ("weights",)

    def on(self, device: str) -> Learner:
        """Another vector; closed forms in float64 stay on the CPU."""
        learner = ConvexLearner(self.task, self.common)
        learner.load(self.vector)
        return learner

    def gradients(self, batch: Batch) -> list[Tensor]:
        """The closed-form gradient."""
        return [self.task.gradient(self.vector, batch.x, batch.y)]

    def begin_epoch(self) -> None:
        """Nothing is collected."""

    def report(self, seen: Batch) -> tuple[float, ...]:
        """The client's loss where it ended."""
        return (self.task.loss(self.vector, seen.x, seen.y).item(),)

    def evaluate(self, vector: Tensor, split: Split) -> dict[str, float]:
        """F(w), F(w) - F*, and what the task says of held-out samples."""
        common = self.common
        loss = self.task.loss(vector, common.x, common.y, common.weights).item()
        held_out = self.task.evaluate(vector, split.x, split.y) if len(split) else {}
        accuracy = {name: value for name, value in held_out.items() if name != "loss"}
        return {"loss": loss, "excess_loss": max(loss - common.optimum.loss, 0.0), **accuracy}
