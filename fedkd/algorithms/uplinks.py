"""The uplink at the server: from the clients' compressed updates to their mean G.

| estimator | server keeps | G | memory |
|---|---|---|---|
| PP1 | h_i of every client | mean over the active of (h_i + D_i) | h_i += rate D_i |
| PP2 | one h = mean of all h_i | h + 1/(p N) sum over the active of D_i | h += rate/N sum over the active of D_i |

p is the probability of taking part. With full participation both give the same G; with partial
participation PP2 has far less sampling variance. Without memories G is the mean over the active.
Source: Philippenko and Dieuleveut, Artemis; the update of h divides by N, not by p N.

Sums run in float64, in the order of client numbers, whatever the order of arrival.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from fedkd.keys import key
from fedkd.links import Link
from fedkd.messages import Message

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class UplinkState:
    """The server's end of all uplinks.

    Args:
        taken: how many updates of each client were taken, the version of its memory.
        own: h_i of each client (PP1).
        mean: h in float64 (PP2).
    """

    taken: Mapping[int, int] = field(default_factory=dict)
    own: Mapping[int, Tensor | None] = field(default_factory=dict)
    mean: Tensor | None = None


@dataclass(frozen=True)
class Uplink(ABC):
    """The server's half of the uplink.

    Args:
        weights: one weight a client; only their ratios matter.
        probability: p of taking part in a round.
    """

    link: Link
    seed: int
    dim: int
    weights: tuple[float, ...]
    probability: float

    @abstractmethod
    def mean(self, state: UplinkState, replies: Sequence[Message]) -> tuple[Tensor | None, UplinkState]:
        """G [d] in float64 from replies in the order of clients; None when there is nothing to average."""

    def change(self, reply: Message, memory: Tensor | None) -> Tensor:
        """D_i [d] of one reply."""
        stream = key(self.seed, "uplink", reply.round, reply.client)
        return self.link.decode(reply.frame, memory, stream, self.dim)

    def zeros(self) -> Tensor:
        """An accumulator."""
        return torch.zeros(self.dim, dtype=torch.float64)


@dataclass(frozen=True)
class MeanOfActive(Uplink):
    """PP1: the server keeps h_i of every client, if the link remembers at all."""

    def mean(self, state: UplinkState, replies: Sequence[Message]) -> tuple[Tensor | None, UplinkState]:
        """G = sum of w_i (h_i + D_i) / sum of w_i."""
        if not replies:
            return None, state
        total, own, weight = self.zeros(), dict(state.own), 0.0
        for reply in replies:
            memory = own.get(reply.client)
            received, after = self.link.apply(self.change(reply, memory), memory)
            total.add_(received, alpha=self.weights[reply.client])
            weight += self.weights[reply.client]
            if self.link.remembers:
                own[reply.client] = after
        return total.div_(weight), replace(state, own=own, taken=_taken(state, replies))


@dataclass(frozen=True)
class MeanOfMemories(Uplink):
    """PP2: the server keeps only the mean memory h."""

    def mean(self, state: UplinkState, replies: Sequence[Message]) -> tuple[Tensor | None, UplinkState]:
        """G = h + sum of w_i D_i / p, h += rate * sum of w_i D_i, with weights that sum to one."""
        memory = self.zeros() if state.mean is None else state.mean
        total, norm, ahead = self.zeros(), sum(self.weights), self.zeros()
        for reply in replies:
            started = memory if reply.client in state.taken else None
            change = self.change(reply, started)
            weight = self.weights[reply.client] / norm
            total.add_(change, alpha=weight)
            if self.link.in_full(started):
                ahead.add_(change, alpha=weight * (1 - self.link.rate))
        moved = memory.add(total, alpha=self.link.rate).add_(ahead)
        return memory.add(total, alpha=1 / self.probability), replace(state, mean=moved, taken=_taken(state, replies))


def _taken(state: UplinkState, replies: Sequence[Message]) -> dict[int, int]:
    return {**state.taken, **{reply.client: state.taken.get(reply.client, 0) + 1 for reply in replies}}
