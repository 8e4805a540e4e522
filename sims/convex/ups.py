"""The uplink for all clients and seeds at once, and the two estimators of G; see ``fedkd.algorithms.uplinks``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from sims.convex.ends import Sender, zeros
from sims.convex.methods import Method
from sims.convex.streams import Streams

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Numbers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

HEADER = 36
"""Bytes of a reply before its frame: the message's header, and the loss that a client reports."""


class Mean(NamedTuple):
    """G [S, d], for which seeds there is one, and the bytes of the replies [S]."""

    value: Tensor
    there: Flags
    lengths: Numbers


class Up:
    """All uplinks.

    Args:
        weights: of the clients [N].
        probability: p of taking part.
    """

    def __init__(
        self, method: Method, seeds: tuple[int, ...], dim: int, weights: tuple[float, ...], probability: float
    ) -> None:
        self._sender, self._streams = Sender(method.uplink, dim, method.measure), Streams(seeds, "uplink")
        self._weights, self._probability = torch.tensor(weights, dtype=torch.float64), probability
        self._shape, self._everyone = (len(weights), len(seeds), dim), np.arange(len(weights))
        self._memory, self._started = zeros(*self._shape), np.zeros(self._shape[:2], bool)
        self._remembers = self._sender.link.remembers
        self._averages = method.row.estimator == "PP2" and self._remembers
        self._mean = zeros(len(seeds), dim)

    def collect(self, gradients: Tensor, active: Flags, round_: int) -> Mean:
        """Compress the gradients [K, d] of the active clients, in the order of ``np.nonzero``, and average."""
        streams = self._streams.of(round_, self._everyone)
        if active.all():
            flat = self._memory.view(-1, self._shape[2])
            sent = self._sender.send(gradients, flat, self._started.reshape(-1), streams.reshape(-1))
            changes, before, full = sent.change.view(self._shape), self._memory, sent.full.reshape(self._shape[:2])
            if sent.memory is not None:
                self._memory, self._started = sent.memory.view(self._shape), np.ones_like(self._started)
            lengths = sent.lengths.reshape(self._shape[:2]).sum(axis=0)
        else:
            changes, before, full, lengths = self._some(gradients, active, streams)
        mean = self._of_memories if self._averages else self._of_active
        value, there = mean(changes, before, active, full)
        return Mean(value, there, lengths + HEADER * active.sum(axis=0))

    def _some(
        self, gradients: Tensor, active: Flags, streams: NDArray[np.uint64]
    ) -> tuple[Tensor, Tensor, Flags, Numbers]:
        """The same where some clients rest: their changes are zero."""
        who, runs = np.nonzero(active)
        changes, full, lengths = (
            zeros(*self._shape),
            np.zeros(self._shape[:2], bool),
            np.zeros(self._shape[1], np.int64),
        )
        before = self._memory
        if len(who):
            started = self._started[who, runs]
            sent = self._sender.send(gradients, before[who, runs], started, streams[who, runs])
            changes[who, runs], full[who, runs] = sent.change, sent.full
            np.add.at(lengths, runs, sent.lengths)
            if sent.memory is not None:
                self._memory, self._started = before.clone(), self._started.copy()
                self._memory[who, runs], self._started[who, runs] = sent.memory, True
        return changes, before, full, lengths

    def _of_active(self, changes: Tensor, before: Tensor, active: Flags, full: Flags) -> tuple[Tensor, Flags]:
        """PP1: the mean over the active of h_i + D_i."""
        received = before + changes if self._remembers else changes
        shares = self._weights[:, None] * torch.from_numpy(active)
        total, weight = _summed(shares, received), shares.sum(0)
        return total / weight.clamp(min=1e-300)[:, None], active.any(axis=0)

    def _of_memories(self, changes: Tensor, before: Tensor, active: Flags, full: Flags) -> tuple[Tensor, Flags]:
        """PP2: h + the sum of w_i D_i / p; h moves by rate times that sum, by all of what came in full."""
        shares = self._weights[:, None] / self._weights.sum() * torch.from_numpy(active)
        total, rate, memory = _summed(shares, changes), self._sender.link.rate, self._mean
        self._mean = memory.add(total, alpha=rate)
        if full.any():
            self._mean.add_(_summed(shares * torch.from_numpy(full), changes), alpha=1 - rate)
        return memory.add(total, alpha=1 / self._probability), np.ones(self._shape[1], bool)


def _summed(shares: Tensor, rows: Tensor) -> Tensor:
    """Weighted sums over the clients, [S, d]."""
    return torch.einsum("ns,nsd->sd", shares, rows)
