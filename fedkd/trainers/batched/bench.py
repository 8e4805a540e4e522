"""Where models are trained side by side: buffers that stay from group to group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd.trainers.batched.recording import Record, Recordings
from fedkd.vectors import Flat

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.learner import NetworkLearner
    from fedkd.trainers.batched.cohort import Cohort, Step
    from fedkd.trainers.batched.ways import Way
    from fedkd.trainers.solvers import Solver


class Bench:
    """Parameters [K, d] of at most so many models, and what their solver keeps.

    Args:
        learner: whose network it is; its own parameters are not touched.
        capacity: K.
        record: makes a replayable program of steps, or None to compute each anew.
    """

    def __init__(self, learner: NetworkLearner, solver: Solver, capacity: int, way: Way, record: Record | None) -> None:
        buffer = torch.zeros(capacity, learner.dim, dtype=learner.dtype, device=learner.device)
        self.capacity = capacity
        self._flat = Flat(buffer, learner.flat.shapes)
        self._descent = solver.start(self._flat)
        self._way = way
        self._recordings = None if record is None else Recordings(self._step, record)

    def train(self, cohort: Cohort, received: Tensor, steps: int | None = None) -> Tensor:
        """The updates [K, d] of a group's clients from the models that they received [K, d].

        Args:
            cohort: the group.
            received: has as many rows.
            steps: how many of the group's are taken; None takes all.
        """
        going = len(received)
        self._flat.first(going).load(received)
        self._descent.restart(going)
        for number, count in enumerate(cohort.counts[:steps]):
            if count < going:
                self._descent.narrow(count)
                going = count
            run = self._step if self._recordings is None else self._recordings
            cohort.keep(number, run(cohort.step(number)))
        return self._descent.update(received)

    def _step(self, step: Step) -> Tensor:
        """A pure function of the parameters, of what the descent keeps, and of the step's tensors."""
        self._descent.begin(step.sizes)
        outputs = self._way(step, self._descent)
        self._descent.end()
        return outputs
