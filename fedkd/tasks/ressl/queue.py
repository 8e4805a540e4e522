"""The queue: embeddings of samples that a teacher has seen before, first in, first out, of several clients at once.

Letters: C clients, K keys of each, o numbers of an embedding, n samples of a batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd.tasks.ressl.relations import normalised

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression import Key


class Queue:
    """Keys in a ring: tensors that stay where they are, so that a step that uses them can be recorded.

    Args:
        clients: C.
        size: K.
        width: o.
        like: gives type and device.

    Attributes:
        keys: [C, K, o], each at length 1.
        stamps: the round that each key is from [C, K].
        next: where the next key goes [C].
    """

    def __init__(self, clients: int, size: int, width: int, like: Tensor) -> None:
        self.keys = like.new_zeros(clients, size, width)
        self.stamps = like.new_zeros(clients, size)
        self.next = torch.zeros(clients, dtype=torch.int64, device=like.device)
        self._sizes = [size * width, size, 1]

    @property
    def numbers(self) -> int:
        """Of a client's, as it is kept."""
        return sum(self._sizes)

    def load(self, client: int, kept: Tensor) -> None:
        """Take up what ``read`` gave [numbers]."""
        keys, stamps, place = torch.split(kept.to(self.keys.device), self._sizes)
        self.keys[client].copy_(keys.view(self.keys[client].shape))
        self.stamps[client].copy_(stamps)
        self.next[client].copy_(place[0])

    def read(self, client: int) -> Tensor:
        """A client's queue as one vector [numbers]: keys, stamps, place."""
        return torch.cat([self.keys[client].reshape(-1), self.stamps[client], self.next[client].view(1)])

    def fill(self, client: int, key: Key, round_: int) -> None:
        """Random unit vectors, uniform on the sphere; they count as of this round."""
        shape = self.keys[client].shape
        drawn = torch.from_numpy(key.generator().standard_normal(tuple(shape)))
        self.keys[client].copy_(normalised(drawn))
        self.stamps[client].fill_(round_)
        self.next[client].zero_()

    def set(self, client: int, keys: Tensor, round_: int) -> None:
        """These keys [K, o] and no others, made in this round."""
        self.keys[client].copy_(keys)
        self.stamps[client].fill_(round_)

    def push(self, keys: Tensor, counts: Tensor | None, round_: Tensor) -> None:
        """Put the first keys of a batch in place of the oldest, for the first clients.

        Args:
            keys: [c, n, o] with c <= C and n <= K.
            counts: how many of the n count [c]; None for all.
            round_: a scalar.
        """
        clients, samples, size = keys.shape[0], keys.shape[1], self.keys.shape[1]
        steps = torch.arange(samples, device=keys.device)
        places = (self.next[:clients, None] + steps) % size
        stamps = round_.expand(clients, samples)
        if counts is not None:
            # What does not count is written over by what is there already.
            counts = counts.to(torch.int64)
            there = (steps < counts[:, None]).unsqueeze(-1)
            keys = torch.where(there, keys, self.keys[:clients].gather(1, _wide(places, keys)))
            stamps = torch.where(there[..., 0], stamps, self.stamps[:clients].gather(1, places))
        self.keys[:clients].scatter_(1, _wide(places, keys), keys)
        self.stamps[:clients].scatter_(1, places, stamps)
        self.next[:clients].add_(samples if counts is None else counts).remainder_(size)


def _wide(places: Tensor, keys: Tensor) -> Tensor:
    return places.unsqueeze(-1).expand_as(keys)
