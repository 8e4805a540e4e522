"""A step of ReSSL for one client: views, the teacher's answers, the student's gradients, the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedkd.tasks.backward import Backward, Fused

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.base import Batch
    from fedkd.tasks.ressl.learner import RelationalLearner
    from fedkd.tasks.ressl.relations import Aim
    from fedkd.trainers.descents import Descent


class Relational(Backward):
    """Drives the learner's company of one.

    Args:
        learner: holds the client that is trained.
        fused: as for other networks.
    """

    def __init__(self, learner: RelationalLearner, fused: Fused) -> None:
        self._learner, self._student = learner, learner.network(fused)

    @property
    def name(self) -> str:
        """Of the student."""
        return f"relational: {self._student.name}"

    def __call__(self, batch: Batch, descent: Descent) -> Tensor:
        """The teacher moves, answers, and is learned from; its answers enter the queue."""
        learner = self._learner

        def answer(weak: Tensor) -> Tensor:
            return learner.teacher.answer(weak[0])[None]

        def train(shown: Tensor, aim: Aim) -> Tensor:
            outputs, saved = self._student.forward(learner.laid(shown[0]), descent)
            self._student.backward(aim.gradient(outputs[None], batch)[0], saved, descent)
            return outputs[None]

        drawn = learner.next_drawn(len(batch.y))
        return learner.alone.step(batch.x[None], drawn, None, learner.flat.buffer, answer, train)[0]
