"""What a client keeps between its rounds, as one vector: teacher, student, queue, each if there is a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.ressl.task import ReSSL


class Kept(NamedTuple):
    """The parts; None where nothing is kept.

    Args:
        teacher: parameters [p], of a teacher that stays with its client.
        student: parameters [p], where the client ended, with FedEMA's mixing.
        queue: as ``Queue.read`` gives it.
    """

    teacher: Tensor | None = None
    student: Tensor | None = None
    queue: Tensor | None = None


@dataclass(frozen=True)
class Layout:
    """How long each part is; 0 for what is not kept."""

    teacher: int
    student: int
    queue: int

    @staticmethod
    def of(task: ReSSL, parameters: int, queue: int) -> Layout:
        """For a network of so many parameters, and a queue of so many numbers."""
        return Layout(
            teacher=parameters if task.teacher == "local" else 0,
            student=parameters if task.mixes else 0,
            queue=queue if task.queue == "keep" else 0,
        )

    @property
    def total(self) -> int:
        """Numbers in all."""
        return sum(self._sizes)

    def split(self, kept: Tensor | None) -> Kept:
        """The parts of a vector [total]; nothing of a client that has not been here before."""
        if kept is None:
            return Kept()
        return Kept(*(part if len(part) else None for part in torch.split(kept, list(self._sizes))))

    def join(self, parts: Sequence[Tensor]) -> Tensor | None:
        """The vector of teacher, student and queue [total]; those that are not kept are left out."""
        chosen = [part for part, size in zip(parts, self._sizes, strict=True) if size]
        return torch.cat(chosen) if chosen else None

    @property
    def _sizes(self) -> tuple[int, int, int]:
        return self.teacher, self.student, self.queue
