"""The serial trainer: one client after another on one resident model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fedkd.tasks.backward import Fused
from fedkd.trainers.passes import Passes
from fedkd.trainers.trainer import Pupil, Update

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.base import Batch
    from fedkd.tasks.learner import Learner
    from fedkd.trainers.solvers import Solver


@dataclass(frozen=True)
class Serial(Passes):
    """One client after another, on a model that stays where it is: nothing is copied but parameters and samples.

    Args:
        fused: "auto": networks of plain layers take each layer's step while its gradient is made, without autograd;
            others, and all with "off", use autograd. The same gradients to rounding.
    """

    fused: Fused

    together: ClassVar[int] = 1

    def train(self, learner: Learner, solver: Solver, pupils: Sequence[Pupil]) -> list[Update]:
        """Load each client's x [d], train on its samples; its report is on the last epoch."""
        return [self._train(learner, solver, pupil) for pupil in pupils]

    def method(self, learner: Learner) -> str:
        """Fused or autograd, and why not fused."""
        return learner.backward(self.fused).name

    def _train(self, learner: Learner, solver: Solver, pupil: Pupil) -> Update:
        descent, backward = learner.start(pupil, solver), learner.backward(self.fused)
        outputs: list[Tensor] = []
        for order in self.orders(pupil.samples.size, pupil.key):
            epoch = learner.prepared(pupil.samples.take(order))
            outputs.clear()
            for batch in self._batches(epoch):
                descent.begin(len(batch.y))
                outputs.append(backward(batch, descent))
                descent.end()
        vector, numbers = learner.updated(descent, pupil.x), learner.report(outputs, epoch)
        return Update(vector, numbers, learner.remembered(), learner.told(outputs, epoch))

    def _batches(self, epoch: Batch) -> list[Batch]:
        size = self.batch_size or len(epoch.y) or 1
        return [epoch.slice(start, start + size) for start in range(0, len(epoch.y), size)]
