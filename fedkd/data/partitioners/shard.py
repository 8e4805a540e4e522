"""Blocks of samples sorted by label, dealt at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fedkd.data.bounds import at_least
from fedkd.data.partitioners.base import Partitioner, class_codes
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class Shard(Partitioner):
    """Samples sorted by label are cut into shards of equal size, which are dealt to clients at random.

    McMahan et al. 2017, arXiv 1602.05629. Three ways to use it:
    ``num_shards_per_partition`` alone: as many shards for everyone, of size floor(n / shards);
    both: as many shards for everyone, of the given size, the rest of the samples stays out;
    ``shard_size`` alone: all shards are used, the first clients get one more where they do not divide.

    Args:
        num_shards_per_partition: shards of every client, >= 1, or None.
        shard_size: samples of a shard, >= 1, or None.
        keep_incomplete_shard: whether a shorter last shard takes part; otherwise its samples stay out.
            Without effect where both numbers are given.
    """

    num_shards_per_partition: int | None
    shard_size: int | None
    keep_incomplete_shard: bool

    def __post_init__(self) -> None:
        if self.num_shards_per_partition is None and self.shard_size is None:
            raise ConfigurationError(
                "Shard: num_shards_per_partition and shard_size are both None; give at least one of them"
            )
        for field in ("num_shards_per_partition", "shard_size"):
            if getattr(self, field) is not None:
                at_least(self, field, 1)

    def _assign(
        self, labels: NDArray[np.generic], clients: int, key: Key, owner: NDArray[np.int64] | None
    ) -> list[NDArray[np.int64]]:
        codes = class_codes(self, labels)
        size = self._size(len(codes), clients)
        usable = self._usable(len(codes), size, clients)
        order = key.fold("order").permutation(len(codes))
        ordered = order[np.argsort(codes[order], kind="stable")]
        shards = np.split(ordered, np.arange(size, len(codes), size))
        dealt = key.fold("deal").permutation(usable)
        ends = np.cumsum(self._shares(usable, clients))
        return [np.concatenate([shards[s] for s in hand]) for hand in np.split(dealt, ends)[:-1]]

    def check(self, samples: int, clients: int) -> None:
        """There must be shards enough."""
        self._usable(samples, self._size(samples, clients), clients)

    def _size(self, samples: int, clients: int) -> int:
        return self.shard_size or max(samples // (clients * (self.num_shards_per_partition or 1)), 1)

    def _usable(self, samples: int, size: int, clients: int) -> int:
        """Number of shards that may be dealt; at least one a client, or as many as asked for."""
        fixed = self.num_shards_per_partition is not None and self.shard_size is not None
        keep = self.keep_incomplete_shard and not fixed
        usable = -(-samples // size) if keep else samples // size
        needed = clients * (self.num_shards_per_partition or 1)
        if usable < needed:
            raise ConfigurationError(
                f"Shard: num_shards_per_partition={self.num_shards_per_partition}, shard_size={self.shard_size}: "
                f"{needed} shards of {size} samples for {clients} clients exceed the {samples} training samples; "
                "choose fewer clients or shards, or a smaller shard_size"
            )
        return usable

    def _shares(self, shards: int, clients: int) -> NDArray[np.int64]:
        """Number of shards of each client."""
        if self.num_shards_per_partition is not None:
            return np.full(clients, self.num_shards_per_partition, dtype=np.int64)
        return shards // clients + (np.arange(clients) < shards % clients).astype(np.int64)
