"""The samples of clients that are trained together, and what their networks answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import torch

from fedkd.tasks.base import Batch
from fedkd.trainers.batched.plan import Member, plan

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.learner import Networked


class Step(NamedTuple):
    """The batches of those who go on, filled up to one width; what was filled in has no weight.

    Args:
        sizes: samples of every batch, float64 [K].
        scale: [K, b, 1] what makes a mean over b samples that of a client's batch, 0 where filled in; None where no
            batch was filled up.
        lengths: the sizes, for who must know them without asking the device.
        drawn: random numbers that the learner draws for a step [K, b, ...]; None where it draws none.

    Shapes: of the batch x [K, b, *shape], y [K, b], teacher and aim [K, b, classes].
    """

    batch: Batch
    sizes: Tensor
    scale: Tensor | None
    lengths: tuple[int, ...]
    drawn: Tensor | None = None

    @property
    def counted(self) -> Tensor | None:
        """Which samples were not filled in [K, b]; None where none was."""
        return None if self.scale is None else self.scale.squeeze(-1) > 0


class Report(NamedTuple):
    """The numbers that a client reports, what it sends beside its update, and what it keeps."""

    numbers: tuple[float, ...]
    beside: Tensor | None = None
    kept: Tensor | None = None


class Cohort:
    """All samples of the members lie in one pool, from which every step gathers its batches.

    Nothing here waits for the device before ``reports``.

    Args:
        learner: prepares the samples, draws for the steps, and reports.
        members: with the most steps first.
    """

    def __init__(self, learner: Networked, members: Sequence[Member], batch_size: int) -> None:
        self.members, self._learner = members, learner
        self._keys = [member.pupil.key for member in members]
        samples = [member.pupil.samples.size for member in members]
        self._starts = [0, *accumulate(samples)][:-1]
        self._plan = plan(members, self._starts, batch_size)
        first, *others = (member.pupil.samples for member in members)
        self._pool = learner.prepared(first.joined(others).take(torch.arange(sum(samples))))
        self._answers: Tensor | None = None
        device = learner.device
        self._rows = torch.from_numpy(self._plan.rows).to(device)
        self._sizes = torch.from_numpy(self._plan.sizes).to(device, torch.float64)
        within = torch.arange(self._rows.shape[-1], device=device) < self._sizes.unsqueeze(-1)
        # What is filled in writes its answers where nobody looks.
        self._targets = torch.where(within, self._rows, sum(samples))
        shares = torch.tensor(self._plan.widths, device=device).view(-1, 1, 1) / self._sizes.unsqueeze(-1)
        self._scale = torch.where(within, shares, 0).to(learner.dtype).unsqueeze(-1)

    @property
    def counts(self) -> Sequence[int]:
        """Clients that go on, at every step."""
        return self._plan.counts

    def step(self, number: int) -> Step:
        """Gather a step's batches."""
        count, width = self._plan.counts[number], self._plan.widths[number]
        rows = self._rows[number, :count, :width].reshape(-1)
        batch = each(self._pool, lambda part: part.index_select(0, rows).view(count, width, *part.shape[1:]))
        scale = None if self._plan.even(number) else self._scale[number, :count, :width]
        lengths = tuple(self._plan.sizes[number, :count].tolist())
        drawn = self._learner.drawn(self._keys[:count], number, width)
        return Step(batch, self._sizes[number, :count], scale, lengths, drawn)

    def keep(self, number: int, outputs: Tensor) -> None:
        """Keep what the networks answered to a step [K, b, classes]; a later epoch's answers replace an earlier's."""
        count, width = outputs.shape[:2]
        if self._answers is None:
            self._answers = outputs.new_zeros(len(self._pool.y) + 1, outputs.shape[-1])
        self._answers.index_copy_(0, self._targets[number, :count, :width].reshape(-1), outputs.flatten(0, 1))

    def reports(self) -> list[Report]:
        """What every member reports on its last epoch, and sends beside its update, from what was answered in it."""
        orders = [start + member.orders[-1] for start, member in zip(self._starts, self.members, strict=True)]
        rows, lengths = torch.cat(orders).to(self._rows.device), [len(order) for order in orders]
        seen = each(self._pool, lambda part: part.index_select(0, rows))
        outputs = seen.x[:0] if self._answers is None else self._answers.index_select(0, rows)
        ends = list(accumulate(lengths))
        reports = []
        for end, length in zip(ends, lengths, strict=True):
            answers, samples = [outputs[end - length : end]] if length else [], seen.slice(end - length, end)
            reports.append(Report(self._learner.report(answers, samples), self._learner.told(answers, samples)))
        return reports


def each(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """A batch with every part that is there changed, in order."""
    x, y = change(batch.x), change(batch.y)
    return Batch(x, y, *(None if part is None else change(part) for part in (batch.teacher, batch.aim)))
