"""One link for many senders at once: ``fedkd.links.Link`` on rows, some of which have started a memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from fedkd.links import ErrorFeedback, Link
from fedkd_compression import Named
from sims.convex.methods import IDENTITY, measured
from sims.convex.streams import key_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from sims.convex.methods import Measure

    Flags = NDArray[np.bool_]
    Streams = NDArray[np.uint64]
    Lengths = NDArray[np.int64]


class Sent(NamedTuple):
    """What rows [K, d] became.

    Args:
        change: as received [K, d].
        memory: the senders' memories after it [K, d]; None where the link keeps none.
        full: which came in full [K].
        lengths: bytes of the frames [K].
    """

    change: Tensor
    memory: Tensor | None
    full: Flags
    lengths: Lengths


class Sender:
    """One link with its rate resolved.

    Args:
        keeps: whether the sender keeps a vector between messages.
    """

    def __init__(self, link: Link, dim: int, measure: Measure) -> None:
        self.link, self._measure = link.shaped((Named("weights", (dim,)),)).resolve(dim), measure
        lossless = self.link.operator.traits.lossless
        self._feeds_back = isinstance(self.link.memory, ErrorFeedback) and not lossless
        self._weight = self.link.memory.weight if isinstance(self.link.memory, ErrorFeedback) else 0.0
        self.keeps = self.link.remembers or self._feeds_back
        self.first = self.link.in_full(None)

    def send(self, x: Tensor, memory: Tensor, started: Flags, streams: Streams) -> Sent:
        """Send x [K, d] against memories [K, d], which are zero where none was started."""
        if self.first and not started.all():
            return self._mixed(x, memory, started, streams)
        return self._compressed(x, memory, streams)

    def received(self, change: Tensor, memory: Tensor, full: Flags) -> Tensor:
        """The vectors [K, d] that changes stand for, from the memories before them."""
        if not self.link.remembers:
            return change
        # Where a change came in full there was no memory, so zero is added.
        return memory + change

    def _compressed(self, x: Tensor, memory: Tensor, streams: Streams) -> Sent:
        none = np.zeros(len(x), bool)
        if not self.keeps:
            lengths, change = self._measure(self.link.operator, x, key_of(streams))
            return Sent(change, None, none, lengths)
        target = x.add(memory, alpha=self._weight) if self._feeds_back else x - memory
        lengths, change = self._measure(self.link.operator, target, key_of(streams))
        after = target - change if self._feeds_back else memory.add(change, alpha=self.link.rate)
        return Sent(change, after, none, lengths)

    def _mixed(self, x: Tensor, memory: Tensor, started: Flags, streams: Streams) -> Sent:
        new = np.flatnonzero(~started)
        change, after, lengths = x.clone(), x.clone(), np.empty(len(x), np.int64)
        lengths[new] = measured(IDENTITY, x[:1], key_of(streams[:1]))[0][0]
        if started.any():
            old = np.flatnonzero(started)
            sent = self._compressed(x[old], memory[old], streams[old])
            change[old], lengths[old] = sent.change, sent.lengths
            assert sent.memory is not None
            after[old] = sent.memory
        return Sent(change, after, ~started, lengths)


def zeros(*shape: int) -> Tensor:
    """Float64."""
    return torch.zeros(*shape, dtype=torch.float64)
