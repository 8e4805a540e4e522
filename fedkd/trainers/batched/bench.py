"""Where models are trained side by side: buffers that stay from group to group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd.trainers.batched.recording import Record, Recordings
from fedkd.vectors import Flat

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.learner import Networked
    from fedkd.tasks.ressl.company import Company
    from fedkd.trainers.batched.cohort import Cohort, Step
    from fedkd.trainers.batched.ways import Way
    from fedkd.trainers.solvers import Solver


class Bench:
    """Parameters [K, p] and buffers [K, d - p] of at most so many models, and what their solver keeps.

    Args:
        learner: whose network it is; its own values are not touched.
        capacity: K.
        way: in which gradients are computed.
        record: makes a replayable program of steps, or None to compute each anew.
        company: what clients have beside their models, if anything; it has room for as many.
    """

    def __init__(
        self,
        learner: Networked,
        solver: Solver,
        capacity: int,
        way: Way,
        record: Record | None,
        company: Company | None = None,
    ) -> None:
        self.capacity, self.company = capacity, company
        self._flat, self._carried = several(capacity, learner.flat), several(capacity, learner.carried)
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
        going, parameters = len(received), self._flat.buffer.shape[-1]
        whole, carried = self._carried.first(going), received[:, parameters:]
        self._flat.first(going).load(received[:, :parameters])
        whole.load(carried)
        if self.company is not None:
            for place, member in enumerate(cohort.members):
                self._flat.row(place).load(self.company.enter(place, member.pupil))
        self._descent.restart(going)
        for number, count in enumerate(cohort.counts[:steps]):
            if count < going:
                self._descent.narrow(count)
                going = count
            run = self._step if self._recordings is None else self._recordings
            cohort.keep(number, run(cohort.step(number)))
        if self.company is not None:
            self.company.carry(whole.buffer)
        update = self._descent.update(received[:, :parameters])
        return torch.cat((update, whole.difference(carried)), 1) if whole.shapes else update

    def left(self, place: int) -> Tensor | None:
        """What a client of the group that was trained last keeps."""
        return None if self.company is None else self.company.leave(place, self._flat.row(place).read())

    def _step(self, step: Step) -> Tensor:
        """A pure function of parameters and buffers, of what the descent keeps, and of the step's tensors."""
        self._descent.begin(step.sizes)
        outputs = self._way(step, self._descent, self._carried.first(len(step.sizes)).views)
        self._descent.end()
        return outputs


def several(count: int, like: Flat) -> Flat:
    """So many models' tensors of the shapes of one's, zero."""
    return Flat(like.buffer.new_zeros(count, like.buffer.shape[-1]), like.shapes)
