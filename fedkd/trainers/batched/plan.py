"""Which samples every client of a group takes at every step, as tables of whole numbers.

Letters: S steps, K clients, b the largest batch. A client's steps are its batches, epoch after epoch, as the serial
trainer takes them; clients with fewer steps come last, so that those that go on are always the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.trainers.trainer import Pupil


class Member(NamedTuple):
    """A client of a group.

    Args:
        position: among the clients that the trainer was given.
        orders: of every epoch, which of its samples it goes through.
        steps: batches in all epochs.
    """

    position: int
    pupil: Pupil
    orders: Sequence[Tensor]
    steps: int


class Plan(NamedTuple):
    """Where in the group's pool of samples the batches lie.

    Args:
        rows: [S, K, b]; after a batch's end, and after a client's, samples that are the client's own but do not count.
        sizes: samples of every batch [S, K], 0 where a client has finished.
        counts: clients that go on at every step [S].
        widths: the largest batch of every step [S].
    """

    rows: np.ndarray
    sizes: np.ndarray
    counts: Sequence[int]
    widths: Sequence[int]

    def even(self, step: int) -> bool:
        """Whether all batches of a step are of the same size."""
        return bool((self.sizes[step, : self.counts[step]] == self.widths[step]).all())


def steps_of(orders: Sequence[Tensor], batch_size: int) -> int:
    """Batches of all epochs; a batch size of 0 takes an epoch's samples at once."""
    return sum(-(-len(order) // (batch_size or len(order) or 1)) for order in orders)


def plan(members: Sequence[Member], starts: Sequence[int], batch_size: int) -> Plan:
    """The tables of a group whose members' samples start at these rows of the pool.

    Args:
        members: with the most steps first.
        starts: the row of every member's first sample.
        batch_size: 0 for all samples at once.

    Example:
        Clients with 3 and 2 samples, one epoch, batches of 2: sizes [[2, 2], [1, 0]].
    """
    steps = max((member.steps for member in members), default=0)
    longest = max((len(order) for member in members for order in member.orders), default=0)
    rows = np.zeros((steps, len(members), min(batch_size or longest, longest)), dtype=np.int64)
    sizes = np.zeros((steps, len(members)), dtype=np.int64)
    for column, (member, start) in enumerate(zip(members, starts, strict=True)):
        rows[:, column] = start
        step = 0
        for order in member.orders:
            step += _write(rows[step:, column], sizes[step:, column], start + order.numpy(), batch_size)
    return Plan(rows, sizes, (sizes > 0).sum(1).tolist(), sizes.max(1, initial=0).tolist())


def _write(rows: np.ndarray, sizes: np.ndarray, order: np.ndarray, batch_size: int) -> int:
    """One epoch of one client; how many batches it has."""
    size = batch_size or len(order) or 1
    full, rest = divmod(len(order), size)
    size = min(size, rows.shape[1])
    rows[:full, :size] = order[: full * size].reshape(full, size)
    sizes[:full] = size
    if rest:
        rows[full, :rest] = order[-rest:]
        sizes[full] = rest
    return full + bool(rest)
