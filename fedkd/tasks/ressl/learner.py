"""A learner for ReSSL: a student that travels, a teacher and a queue that stay."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from fedkd.errors import ConfigurationError
from fedkd.probes import Features, features
from fedkd.tasks.learner import Networked
from fedkd.tasks.ressl.backward import Relational
from fedkd.tasks.ressl.company import Company
from fedkd.tasks.ressl.teacher import NAMES, Teacher, carry_teacher, drop_teacher
from fedkd_compression import Key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from fedkd.data import Split
    from fedkd.tasks.backward import Fused
    from fedkd.tasks.base import Batch
    from fedkd.tasks.ressl.task import ReSSL
    from fedkd.trainers.descents import Descent
    from fedkd.trainers.solvers import Solver
    from fedkd.trainers.trainer import Pupil


class RelationalLearner(Networked):
    """A network whose outputs are embeddings, with its task.

    Args:
        module: the student; it is changed: where the teacher is averaged, its tensors become further buffers.
        task: with schedules.
        reference: labelled samples by which the encoder is judged, those that the probes take.
        public: samples, of which the teachers' embeddings of the first K are the keys, where the task says so.
        key: of the evaluation; of training it is each client's.

    Attributes:
        teacher: the network that is asked.
        alone: the client that is trained by itself.

    Raises:
        ConfigurationError: there are no public samples where they are needed.
    """

    task: ReSSL

    def __init__(self, module: nn.Module, task: ReSSL, reference: Split, public: Tensor, key: Key) -> None:
        self._reference, self._key = reference, key
        self._anchors = public[: task.queue_size if task.queue == "anchors" else 0]
        self._scheduled, self.task, self._round = task, task.at(0), 0
        if task.queue == "anchors" and len(public) < 2:
            raise ConfigurationError(
                f"ReSSL: queue='anchors' needs 2 public samples, not {len(public)}; "
                "choose another queue, or data.public >= 2 where the set is divided"
            )
        plain = copy.deepcopy(module)
        if task.teacher == "average":
            carry_teacher(module)
        super().__init__(module)
        self.teacher = Teacher(plain, self.flat.channels_last)
        self.alone = self.company()
        self._stream, self._steps = key, 0

    @property
    def keeps(self) -> int:
        """Teacher, student and queue, whichever stay."""
        return self.alone.layout.total

    def on(self, device: str) -> RelationalLearner:
        """Copy everything."""
        module, reference = copy.deepcopy(self.module).to(device), self._reference.on(device)
        drop_teacher(module)
        other = RelationalLearner(module, self._scheduled, reference, self._anchors.to(device), self._key)
        other.load(self.vector.to(device))
        return other

    def begin(self, round_: int) -> None:
        """Take the round's task."""
        self.task, self._round = self._scheduled.at(round_), round_

    @property
    def constants(self) -> ReSSL:
        """The task with its schedules: what rounds change is in a company's tensors."""
        return self._scheduled

    def company(self, clients: int | None = None) -> Company:
        """Room for so many clients; None for one alone."""
        one = self._reference.x.new_zeros(1, *self._reference.shape)
        return Company(self._scheduled, self.teacher, self._anchors, self.width(one), clients)

    def gather(self, company: Company) -> None:
        """A company is for the clients of this round."""
        company.begin(self.task, self._round)

    def start(self, pupil: Pupil, solver: Solver) -> Descent:
        """One client alone."""
        self.gather(self.alone)
        self.load(pupil.x)
        self.flat.load(self.alone.enter(0, pupil))
        self._stream, self._steps = pupil.key, 0
        return solver.start(self.flat)

    def drawn(self, keys: Sequence[Key], step: int, samples: int) -> Tensor:
        """Uniform numbers for the views of a step's samples, by the clients' keys [clients, samples, numbers]."""
        numbers = self.task.views.numbers
        uniforms = Key.stack(keys).fold("views", step).uniforms(samples * numbers, self.device)
        return uniforms.view(-1, samples, numbers).to(self.dtype)

    def next_drawn(self, samples: int) -> Tensor:
        """Those of the next step of the client that is trained alone."""
        self._steps += 1
        return self.drawn([self._stream], self._steps - 1, samples)

    def backward(self, fused: Fused) -> Relational:
        """The student layer by layer where it allows it."""
        return Relational(self, fused)

    def updated(self, descent: Descent, x: Tensor) -> Tensor:
        """With the teacher, where it is averaged."""
        self.alone.carry(self.carried.buffer)
        return super().updated(descent, x)

    def remembered(self) -> Tensor | None:
        """Of the client that was trained last."""
        return self.alone.leave(0, self.flat.read())

    def report(self, outputs: Sequence[Tensor], seen: Batch) -> tuple[float, ...]:
        """The means over all steps of the client that was trained last."""
        return self.alone.reports()[0]

    def features(self, vector: Tensor, split: Split) -> Features:
        """What all layers but the last of a model [d] make of samples."""
        self.load(vector)
        return Features(features(self.module, split.x, self.laid), split.y.cpu().numpy())

    def evaluate(self, vector: Tensor, split: Split) -> dict[str, float]:
        """The probes' accuracies."""
        reference = self.features(vector, self._reference)
        return self.task.probes.measure(reference, self.features(vector, split), self._key)

    def completed(self, anew: Sequence[str]) -> None:
        """An averaged teacher begins as the student does."""
        if any(name.startswith(NAMES) for name in anew):
            parameters = self.flat.buffer.shape[-1]
            self.carried.buffer[:parameters] = self.flat.read()
