"""The samples of one client, gathered from the common tensors only when they are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import torch

from fedkd.tasks.base import Batch

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.data import Split


@dataclass(frozen=True)
class ClientSamples:
    """A part of a split.

    Args:
        split: all training samples.
        part: which of them are the client's [m].
        teacher: teacher logits [m, classes] in the part's order, or None.
    """

    split: Split
    part: Tensor
    teacher: Tensor | None

    @property
    def size(self) -> int:
        """How many samples the client has."""
        return len(self.part)

    def joined(self, others: Sequence[Self]) -> Self:
        """The samples of this client and then those of others of the same split, as if they were one client's."""
        everyone = [self, *others]
        teachers = [client.teacher for client in everyone if client.teacher is not None]
        part = torch.cat([client.part for client in everyone])
        return replace(self, part=part, teacher=torch.cat(teachers) if teachers else None)

    def take(self, order: Tensor) -> Batch:
        """Gather samples by their position in the part."""
        chosen = self.part[order]
        teacher = None if self.teacher is None else self.teacher[order]
        return Batch(self.split.x[chosen], self.split.y[chosen], teacher)
