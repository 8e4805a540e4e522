"""The trainer of foreign tasks: their own code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from fedkd.trainers.trainer import Pupil, Update

if TYPE_CHECKING:
    from fedkd.tasks.foreign_learner import ForeignLearner
    from fedkd.trainers.solvers import Solver


@dataclass(frozen=True)
class ForeignTrainer:
    """One client after another, each trained by the task itself, which says how long."""

    together: ClassVar[int] = 1

    def work(self, samples: int) -> int:
        """As many samples as a client has: how often it sees them is not known."""
        return samples

    def steps(self, samples: int) -> int:
        """Not known either: 1, whatever the task does."""
        return 1

    def train(self, learner: ForeignLearner, solver: Solver, pupils: Sequence[Pupil]) -> list[Update]:
        """The updates x - local; the samples say which client's they are, the solver has nothing to do."""
        return [self._train(learner, pupil) for pupil in pupils]

    def method(self, learner: ForeignLearner) -> str:
        """Not ours."""
        return "the task's own code"

    def _train(self, learner: ForeignLearner, pupil: Pupil) -> Update:
        client = int(pupil.samples.take(torch.zeros(1, dtype=torch.int64)).y)
        vector, loss = learner.train(client, pupil.x, pupil.key)
        return Update(vector, (loss,))
