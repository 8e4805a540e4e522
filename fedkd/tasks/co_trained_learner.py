"""A student and its teacher, trained side by side on every batch: mutual learning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd.tasks.backward import Backward, Fused
from fedkd.tasks.base import Batch
from fedkd.tasks.learner import Learner, NetworkLearner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from fedkd.data import Split
    from fedkd.trainers.descents import Descent
    from fedkd.trainers.solvers import Solver
    from fedkd.trainers.trainer import Pupil


class CoTrainedLearner(Learner):
    """Two networks with one task: in each batch either is taught by what the other answered before its step.

    The student is the model of the run. The teacher stays with the client: its vector is what the task keeps. Of
    the solver either has a state of its own, for one round.

    Args:
        student: on the same device as the teacher.
        teacher: its values are overwritten by every client's.

    Attributes:
        answers: the teacher's to the batches of the last epoch.
        teaching: the teacher's update in the making.
    """

    def __init__(self, student: NetworkLearner, teacher: NetworkLearner) -> None:
        self.student, self.teacher = student, teacher
        self.flat, self.carried, self.names = student.flat, student.carried, student.names
        self.answers: list[Tensor] = []
        self.teaching: Descent | None = None

    @property
    def module(self) -> nn.Module:
        """The student's network."""
        return self.student.module

    @property
    def keeps(self) -> int:
        """The teacher's numbers."""
        return self.teacher.dim

    def on(self, device: str) -> CoTrainedLearner:
        """Copy both networks."""
        return CoTrainedLearner(self.student.on(device), self.teacher.on(device))

    def begin(self, round_: int) -> None:
        """Both take the round's task."""
        self.student.begin(round_)
        self.teacher.begin(round_)

    def start(self, pupil: Pupil, solver: Solver) -> Descent:
        """The student from the received model x [d], the teacher from where the client left it [m]."""
        assert pupil.kept is not None, "a worker gives every client a teacher"
        self.teacher.load(pupil.kept.to(self.device))
        self.teaching = solver.start(self.teacher.flat)
        return super().start(pupil, solver)

    def remembered(self) -> Tensor:
        """The teacher's vector [m]."""
        return self.teacher.vector

    def backward(self, fused: Fused) -> Backward:
        """Each network in its own way."""
        return _Mutual(self, fused)

    def prepared(self, samples: Batch) -> Batch:
        """Images as the student wants them; what the task aims at is another thing in every batch."""
        self.answers.clear()
        return samples._replace(x=self.student.laid(samples.x))

    def report(self, outputs: Sequence[Tensor], seen: Batch) -> tuple[float, ...]:
        """The student's, held against what the teacher answered in the same batches."""
        return self.student.report(outputs, seen._replace(teacher=torch.cat(self.answers)))

    def evaluate(self, vector: Tensor, split: Split) -> dict[str, float]:
        """The student."""
        return self.student.evaluate(vector, split)


class _Mutual(Backward):
    """Both forward passes come first: what is taught is of the same moment."""

    def __init__(self, learner: CoTrainedLearner, fused: Fused) -> None:
        self._learner = learner
        self._student, self._teacher = learner.student.network(fused), learner.teacher.network(fused)

    @property
    def name(self) -> str:
        """Of both."""
        return f"mutual: student {self._student.name}, teacher {self._teacher.name}"

    def __call__(self, batch: Batch, descent: Descent) -> Tensor:
        """The teacher's step is within the student's."""
        task, teaching = self._learner.student.task, self._learner.teaching
        assert teaching is not None, "a client starts first"
        outputs, by_student = self._student.forward(batch.x, descent)
        answers, by_teacher = self._teacher.forward(self._learner.teacher.laid(batch.x), teaching)
        learned = task.gradient(outputs, batch._replace(teacher=answers))
        taught = task.gradient(answers, batch._replace(teacher=outputs))
        self._student.backward(learned, by_student, descent)
        teaching.begin(len(batch.y))
        self._teacher.backward(taught, by_teacher, teaching)
        teaching.end()
        self._learner.answers.append(answers)
        return outputs
