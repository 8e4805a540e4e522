"""The trainer of foreign tasks: their own code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from fedkd.trainers.serial import Samples, Update

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.foreign_learner import ForeignLearner
    from fedkd.trainers.solvers import Solver
    from fedkd_compression import Key


@dataclass(frozen=True)
class ForeignTrainer:
    """One client after another, each trained by the task itself, which says how long."""

    def work(self, samples: int) -> int:
        """As many samples as a client has: how often it sees them is not known."""
        return samples

    def train(self, learner: ForeignLearner, solver: Solver, x: Tensor, samples: Samples, key: Key) -> Update:
        """The update x - local; the samples say which client's they are, the solver has nothing to do."""
        client = int(samples.take(torch.zeros(1, dtype=torch.int64)).y)
        vector, loss = learner.train(client, x, key)
        return Update(vector, (loss,))
