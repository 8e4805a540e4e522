"""Label skew: the share of each class that a client gets is drawn from a Dirichlet distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fedkd.data.bounds import at_least, positive
from fedkd.data.partitioners.base import Partitioner, class_codes
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.keys import Key

_DRAWS = 100


@dataclass(frozen=True)
class Dirichlet(Partitioner):
    """Each class is divided among clients by a draw from Dirichlet(alpha, ..., alpha).

    Yurochkin et al. 2019, arXiv 1905.12022. alpha -> 0: a class goes to one client; alpha -> infinity: every
    client has the same mixture. Every sample is used.

    Args:
        alpha: concentration, > 0.
        min_partition_size: samples that every client must have, >= 1; draws that miss it are repeated,
            100 at most.
        self_balancing: a client that already has more than its equal share gets nothing of later classes.
    """

    alpha: float
    min_partition_size: int
    self_balancing: bool

    def __post_init__(self) -> None:
        positive(self, "alpha")
        at_least(self, "min_partition_size", 1)

    def _assign(
        self, labels: NDArray[np.generic], clients: int, key: Key, owner: NDArray[np.int64] | None
    ) -> list[NDArray[np.int64]]:
        codes = class_codes(self, labels)
        self.check(len(codes), clients)
        totals = np.bincount(codes)
        for draw in range(_DRAWS):
            counts = self._counts(totals, clients, key.fold("draw", draw).generator())
            if counts.sum(axis=0).min() >= self.min_partition_size:
                return _deal(codes, counts, key.fold("deal"))
        raise ConfigurationError(
            f"Dirichlet: alpha={self.alpha} gave some client fewer than min_partition_size="
            f"{self.min_partition_size} samples in each of {_DRAWS} draws ({clients} clients, {len(codes)} "
            "samples); raise alpha, lower min_partition_size or choose fewer clients"
        )

    def check(self, samples: int, clients: int) -> None:
        """Every client must be able to get its least number."""
        if self.min_partition_size * clients > samples:
            raise ConfigurationError(
                f"Dirichlet: min_partition_size={self.min_partition_size} x {clients} clients exceeds the "
                f"{samples} training samples; choose min_partition_size <= {samples // clients}"
            )

    def _counts(self, totals: NDArray[np.int64], clients: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Samples of each class for each client, [classes, clients]."""
        shares = generator.dirichlet(np.full(clients, self.alpha), size=len(totals))
        counts = np.zeros((len(totals), clients), dtype=np.int64)
        for label, total in enumerate(totals):
            share = shares[label]
            if self.self_balancing:
                share = _balanced(share, counts.sum(axis=0) <= totals.sum() / clients)
            ends = (np.cumsum(share)[:-1] * total).astype(np.int64).clip(0, total)
            counts[label] = np.diff(ends, prepend=0, append=total)
        return counts


def _balanced(share: NDArray[np.float64], is_open: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Shares of the open clients alone, summing to one; equal where the draw gave them nothing."""
    kept = np.where(is_open, share, 0.0)
    if kept.sum() == 0.0:
        kept = is_open.astype(np.float64)
    return np.asarray(kept / kept.sum(), dtype=np.float64)


def _deal(codes: NDArray[np.int64], counts: NDArray[np.int64], key: Key) -> list[NDArray[np.int64]]:
    """Random samples of each class for each client, as many as counts say."""
    order = key.permutation(len(codes))
    by_class = order[np.argsort(codes[order], kind="stable")]
    blocks = np.split(by_class, np.cumsum(counts.reshape(-1))[:-1])
    clients = counts.shape[1]
    return [np.concatenate(blocks[client::clients]) for client in range(clients)]
