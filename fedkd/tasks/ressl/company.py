"""Clients that are trained with one task, and what they have beside their students: teachers, queues, a report.

One client or several at once: every tensor has a row a client, and stays where it is, so that a step can be recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from fedkd.tasks.ressl.kept import Layout
from fedkd.tasks.ressl.queue import Queue
from fedkd.tasks.ressl.relations import Aim, Sums, normalised, relations
from fedkd.vectors import Flat

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.ressl.task import ReSSL
    from fedkd.tasks.ressl.teacher import Teacher
    from fedkd.trainers.trainer import Pupil

Answer = Callable[["Tensor"], "Tensor"]
"""The teachers' outputs [C, n, o] to samples [C, n, *shape]."""
Train = Callable[["Tensor", Aim], "Tensor"]
"""Gives the students' gradients at views [C, v n, *shape] to their descent; the result is their outputs [C, v n, o]."""


class Company:
    """Room for clients.

    Args:
        task: with which they are trained, with schedules; ``begin`` names that of a round.
        teacher: a network to ask; its parameters are the teacher's of a company of one.
        anchors: samples whose embeddings are the keys [K, *shape]; empty where keys are the teachers' former answers.
        width: o, of an embedding.
        clients: C, for several; None for one, whose tensors lie as the networks' own.

    Attributes:
        teachers: parameters, [p] of one client or [C, p].
        queue: of every client.
        layout: of what each keeps.
    """

    def __init__(self, task: ReSSL, teacher: Teacher, anchors: Tensor, width: int, clients: int | None = None) -> None:
        self._task, self._round, self._teacher, self._anchors = task, 0, teacher, anchors
        flat = teacher.flat
        like = flat.buffer
        rows = 1 if clients is None else clients
        self.teachers = flat if clients is None else Flat(like.new_zeros(rows, len(like)), flat.shapes)
        self.queue = Queue(rows, len(anchors) or task.queue_size, width, like)
        self.layout = Layout.of(task, len(like), self.queue.numbers)
        self._sums = Sums(*(like.new_zeros(rows, dtype=torch.float64) for _ in Sums._fields))
        self._seen, self._paired = (like.new_zeros(rows, dtype=torch.float64) for _ in range(2))
        # A step that is recorded reads what rounds change from tensors.
        self._stamp, self._share = (like.new_zeros(()) for _ in range(2))
        self._tau_student, self._tau_teacher = (like.new_ones((), dtype=torch.float64) for _ in range(2))

    def begin(self, task: ReSSL, round_: int) -> None:
        """Clients are about to come, in this round and with its task."""
        self._task, self._round = task, round_
        self._stamp.fill_(round_)
        self._share.fill_(1 - task.momentum)
        self._tau_student.fill_(task.tau_student)
        self._tau_teacher.fill_(task.tau_teacher)
        for total in (*self._sums, self._seen, self._paired):
            total.zero_()

    def enter(self, client: int, pupil: Pupil) -> Tensor:
        """A client takes its place, with what it keeps; the result is where its student begins [p]."""
        received, kept = pupil.x[: self.teachers.buffer.shape[-1]], self.layout.split(pupil.kept)
        teacher = received if kept.teacher is None else kept.teacher.to(received.device)
        if self._task.teacher == "average":
            teacher = pupil.x[len(received) : 2 * len(received)]
        self._of(client).load(teacher)
        if len(self._anchors):
            self.queue.set(client, self._teacher.keys(teacher, self._anchors), self._round)
        elif kept.queue is None:
            self.queue.fill(client, pupil.key.fold("queue"), self._round)
        else:
            self.queue.load(client, kept.queue)
        return received if kept.student is None else _mixed(received, kept.student, self._task.mixing)

    def leave(self, client: int, student: Tensor) -> Tensor | None:
        """What a client keeps, whose student's parameters [p] are these at the end."""
        return self.layout.join([self._of(client).read(), student, self.queue.read(client)])

    def carry(self, carried: Tensor) -> None:
        """Teachers that are averaged travel: with them begins what is carried, [c] of one client or [C, c]."""
        if self._task.teacher == "average":
            teachers = self.teachers.read()
            carried[..., : teachers.shape[-1]] = teachers if carried.ndim == 1 else teachers[: len(carried)]

    def step(
        self, x: Tensor, drawn: Tensor, counts: Tensor | None, student: Tensor, answer: Answer, train: Train
    ) -> Tensor:
        """One batch of the first clients.

        Args:
            x: samples [c, n, *shape].
            drawn: random numbers for the views [c, n, m].
            counts: how many of the n samples count [c]; None for all.
            student: parameters as they lie in the buffer, [p] or [c, p].
            answer: asks the teachers.
            train: trains the students.

        Returns:
            What the students answered to their first views [c, n, o].
        """
        task, keys = self._task, self.queue.keys[: len(x)]
        self._follow(student)
        flat, numbers = x.flatten(0, 1), drawn.flatten(0, 1)
        z = normalised(answer(task.views.weak(flat, numbers).view(x.shape)))
        aim = Aim(relations(z, keys, self._tau_teacher), keys, self._tau_student)
        shown = task.views.contrastive(flat, numbers).view(task.views.crops, *x.shape)
        outputs = train(shown.transpose(0, 1).flatten(1, 2), aim)
        self._count(aim, outputs, counts, x.shape[1])
        if not len(self._anchors):
            self.queue.push(z, counts, self._stamp)
        return outputs[:, : x.shape[1]]

    def reports(self) -> list[tuple[float, ...]]:
        """Of every client the means over its samples: loss, cosine, entropy; and the age of its keys in rounds.

        The cosine is that of samples in batches of two or more; 0 where there were none.
        """
        ages = self._round - self.queue.stamps.double().mean(1)
        sums, counts = self._sums, (self._seen, self._paired, self._seen)
        means = [total / count.clamp_min(1) for total, count in zip(sums, counts, strict=True)]
        return [tuple(row) for row in torch.stack([*means, ages], 1).tolist()]

    def _follow(self, student: Tensor) -> None:
        """Teacher <- momentum teacher + (1 - momentum) student; both lie alike."""
        teachers = self.teachers.buffer
        (teachers[: len(student)] if student.ndim > 1 else teachers).lerp_(student, self._share)

    def _of(self, client: int) -> Flat:
        return self.teachers.row(client) if self.teachers.buffer.ndim > 1 else self.teachers

    def _count(self, aim: Aim, outputs: Tensor, counts: Tensor | None, samples: int) -> None:
        clients = len(outputs)
        there = torch.arange(samples, device=outputs.device).expand(clients, samples)
        shares = (torch.ones_like(there) if counts is None else there < counts[:, None]).to(outputs.dtype)
        for total, part in zip(self._sums, aim.sums(outputs, shares), strict=True):
            total[:clients].add_(part)
        seen = shares.sum(-1)
        self._seen[:clients].add_(seen)
        self._paired[:clients].add_(seen * (seen > 1))


def _mixed(received: Tensor, local: Tensor, weight: float) -> Tensor:
    """FedEMA: mu local + (1 - mu) received with mu = min(weight |received - local|, 1)."""
    local = local.to(received.device)
    mu = (weight * (received - local).norm()).clamp_max(1.0)
    return torch.lerp(received, local, mu)
