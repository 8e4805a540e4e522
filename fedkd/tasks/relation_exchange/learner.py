"""A learner for relation exchange: relations travel, a network of the client's own architecture stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd.errors import ConfigurationError
from fedkd.tasks.backward import Backward, Descending, Fused
from fedkd.tasks.base import Batch
from fedkd.tasks.learner import Learner
from fedkd.tasks.relation_exchange.own import Layout, Own
from fedkd.tasks.relation_exchange.relations import AnchorAim, among, leave_one_out, target
from fedkd.vectors import Flat, flatten, nothing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from fedkd.data import Split
    from fedkd.tasks.relation_exchange.quality import Quality
    from fedkd.tasks.relation_exchange.task import RelationExchange
    from fedkd.tasks.ressl.learner import RelationalLearner
    from fedkd.trainers.descents import Descent
    from fedkd.trainers.solvers import Solver
    from fedkd.trainers.trainer import Pupil
    from fedkd_compression import Key


class ExchangeLearner(Learner):
    """One network of each architecture, into which one client's after another is loaded.

    The model of the run is a table of relations, at first 0, which says nothing and arrives as 0 through any link.

    Args:
        task: with its students.
        students: a learner of each of its models, in their order.
        public: the first of these are the anchors; their labels serve for evaluation alone.
        quality: how clients' networks are evaluated.

    Attributes:
        place: of the architecture whose turn it is.

    Raises:
        ConfigurationError: there are fewer public samples than anchors.
    """

    def __init__(
        self, task: RelationExchange, students: Sequence[RelationalLearner], public: Split, quality: Quality
    ) -> None:
        if len(public) < task.anchors:
            raise ConfigurationError(
                f"RelationExchange: anchors={task.anchors} needs as many public samples, not {len(public)}; "
                f"choose fewer anchors, or data.public >= {task.anchors} where the set is divided"
            )
        self.task, self.students, self._public, self._quality = task, tuple(students), public, quality
        first = students[0].flat.buffer
        self.flat, self.names = Flat(first.new_zeros(task.dim), [(task.anchors, task.anchors - 1)]), ("relations",)
        self.carried = nothing(first)
        self._layout = Layout(tuple((student.dim, student.keeps) for student in students))
        self.place, self._loss = 0, 0.0

    @property
    def anchors(self) -> Tensor:
        """Samples [A, *shape]."""
        return self._public.x[: self.task.anchors]

    @property
    def student(self) -> RelationalLearner:
        """That of the client that is trained."""
        return self.students[self.place]

    @property
    def keeps(self) -> int:
        """A network and what its local task keeps, at the longest."""
        return self._layout.total

    def first(self, client: int, classes: int, key: Key) -> Tensor:
        """What a client keeps before its first round: a network of its architecture, drawn from its own key."""
        place = client % len(self.students)
        module = self.task.models[place].build(self._public.shape, classes, key.fold("client", client))
        return self._layout.join(Own(place, flatten(module).to(self.dtype), None))

    def on(self, device: str) -> ExchangeLearner:
        """Copy everything."""
        students = [student.on(device) for student in self.students]
        learner = ExchangeLearner(self.task, students, self._public.on(device), self._quality.on(device))
        learner.load(self.vector.to(device))
        return learner

    def begin(self, round_: int) -> None:
        """All architectures take the round's task."""
        for student in self.students:
            student.begin(round_)

    def start(self, pupil: Pupil, solver: Solver) -> Descent:
        """A client's network goes on where it was left, and is taught the received relations x [d] first."""
        assert pupil.kept is not None, "a worker gives every client a network"
        own = self._layout.split(pupil.kept.to(self.device))
        self.place = own.student
        descent = self.student.start(pupil._replace(x=own.network, kept=own.local), solver)
        self.flat.load(pupil.x)
        self._loss = self._teach(descent)
        return descent

    def backward(self, fused: Fused) -> Backward:
        """Of every architecture its own."""
        return _Several(self, fused)

    def prepared(self, samples: Batch) -> Batch:
        """As the client's network wants them."""
        return self.student.prepared(samples)

    def relations(self) -> Tensor:
        """Those of the client that was trained last, as they are sent [A, A - 1]; its statistics stay."""
        student = self.student
        return among(student.teacher.keys(student.flat.read(), self.anchors), self.task.tau_teacher)

    def updated(self, descent: Descent, x: Tensor) -> Tensor:
        """The received relations minus the client's own [d]: their mean over clients moves w to the mean of these."""
        return x - self.relations().view(-1)

    def remembered(self) -> Tensor:
        """The client's architecture, its network, and what its local task keeps [m]."""
        kept = self.student.remembered()
        # A local task that keeps nothing has been begun all the same.
        return self._layout.join(
            Own(self.place, self.student.vector, self.student.vector[:0] if kept is None else kept)
        )

    def report(self, outputs: Sequence[Tensor], seen: Batch) -> tuple[float, ...]:
        """The local task's numbers, the mean loss on the anchors, and how good the client's network is."""
        return (*self.student.report(outputs, seen), self._loss, *self._quality.of(self.student))

    def evaluate(self, vector: Tensor, split: Split) -> dict[str, float]:
        """Whether anchors are related most to those of their class."""
        table = vector.view(self.flat.shapes[0])
        return {"accuracy_relations": leave_one_out(table, self._public.y[: len(table)].to(table.device))}

    def _teach(self, descent: Descent) -> float:
        """The steps on the anchors; the result is their mean loss, 0 where nothing was taught."""
        taught = target(self.flat.views[0])
        if not (self.task.steps and bool(taught.any())):
            return 0.0
        student, losses = self.student, []
        aim = AnchorAim(taught, self.task.tau_student)
        batch = Batch(student.laid(self.anchors), self._public.y[: len(taught)], None)
        # Running statistics are those of a client's own samples.
        statistics, backward = student.carried.read(), Descending(student.network("auto"), aim)
        for _ in range(self.task.steps):
            descent.begin(len(taught))
            losses.append(aim.loss(backward(batch, descent)))
            descent.end()
        student.carried.load(statistics)
        return float(torch.stack(losses).mean())


class _Several(Backward):
    """The pass of the architecture whose turn it is."""

    def __init__(self, learner: ExchangeLearner, fused: Fused) -> None:
        self._learner, self._passes = learner, [student.backward(fused) for student in learner.students]

    @property
    def name(self) -> str:
        """Of each architecture."""
        return "; ".join(dict.fromkeys(each.name for each in self._passes))

    def __call__(self, batch: Batch, descent: Descent) -> Tensor:
        """A local step."""
        return self._passes[self._learner.place](batch, descent)
