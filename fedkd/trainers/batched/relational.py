"""ReSSL's steps for many clients at once, by the way in which their networks are computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from fedkd.trainers.batched.ways import Way

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.ressl.company import Company
    from fedkd.tasks.ressl.relations import Aim
    from fedkd.trainers.batched.cohort import Step
    from fedkd.trainers.batched.ways import Networks
    from fedkd.trainers.descents import Descent
    from fedkd.vectors import Flat


class Relational(Way):
    """Teachers answer and move, students learn from them, queues go on.

    Args:
        networks: of students and teachers.
        company: of the clients, as many as there is room for.
        scratch: as many models' buffers: teachers' own running statistics move there, and nobody asks for them.
    """

    def __init__(self, networks: Networks, company: Company, scratch: Flat) -> None:
        self._networks, self._company, self._scratch = networks, company, scratch

    def __call__(self, step: Step, descent: Descent, carried: Sequence[Tensor]) -> Tensor:
        """What students answer to their first views [K, b, o]."""
        drawn, clients = step.drawn, len(step.sizes)
        assert drawn is not None, "the learner draws for views"

        def answer(weak: Tensor) -> Tensor:
            teachers, moved = (each.first(clients).views for each in (self._company.teachers, self._scratch))
            with torch.no_grad():
                return self._networks.outputs(teachers, moved, weak, step.counted)

        def train(shown: Tensor, aim: Aim) -> Tensor:
            views = shown.shape[1] // step.batch.x.shape[1]
            scale = None if step.scale is None else step.scale.repeat(1, views, 1)
            many = step._replace(batch=step.batch._replace(x=shown), scale=scale)
            return self._networks.descend(aim, many, descent, carried)

        counts = None if step.scale is None else step.sizes
        return self._company.step(step.batch.x, drawn, counts, descent.flat.buffer, answer, train)
