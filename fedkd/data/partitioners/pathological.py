"""Every client holds a given number of classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from fedkd.data.bounds import at_least, one_of
from fedkd.data.partitioners.base import Partitioner, class_codes
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.keys import Key

_MODES = ("random", "deterministic", "first-deterministic")


@dataclass(frozen=True)
class Pathological(Partitioner):
    """Each client is given classes; a class is divided equally among the clients that were given it.

    Li et al. 2021, arXiv 2102.02079. Samples of a class that nobody was given stay out.

    Args:
        num_classes_per_partition: classes of every client, >= 1.
        class_assignment_mode: "random": drawn without replacement; "deterministic": client i holds
            classes i, i+1, ... modulo the number of classes; "first-deterministic" (the paper's): the
            first class is i modulo the number of classes, the others are drawn.
    """

    num_classes_per_partition: int
    class_assignment_mode: Literal["random", "deterministic", "first-deterministic"]

    def __post_init__(self) -> None:
        at_least(self, "num_classes_per_partition", 1)
        one_of(self, "class_assignment_mode", _MODES)

    def _assign(
        self, labels: NDArray[np.generic], clients: int, key: Key, owner: NDArray[np.int64] | None
    ) -> list[NDArray[np.int64]]:
        codes = class_codes(self, labels)
        totals = np.bincount(codes)
        held = self._classes(len(totals), clients, key.fold("classes"))
        self._check_demand(held.sum(axis=0), totals)
        order = key.fold("order").permutation(len(codes))
        parts: list[list[NDArray[np.int64]]] = [[] for _ in range(clients)]
        for label in np.flatnonzero(held.any(axis=0)):
            holders = np.flatnonzero(held[:, label])
            shares = np.array_split(order[codes[order] == label], len(holders))
            for client, share in zip(holders, shares, strict=True):
                parts[client].append(share)
        return [np.concatenate(part) for part in parts]

    def _classes(self, classes: int, clients: int, key: Key) -> NDArray[np.bool_]:
        """Which client holds which class, [clients, classes]."""
        number = self.num_classes_per_partition
        if number > classes:
            raise ConfigurationError(
                f"Pathological: num_classes_per_partition={number} exceeds the {classes} classes of the "
                f"data; choose num_classes_per_partition <= {classes}"
            )
        held = np.zeros((clients, classes), dtype=np.bool_)
        for client in range(clients):
            held[client, self._ranking(client, classes, key)[:number]] = True
        return held

    def _ranking(self, client: int, classes: int, key: Key) -> NDArray[np.int64]:
        """All classes in the order in which this client takes them."""
        first = client % classes
        if self.class_assignment_mode == "deterministic":
            return np.roll(np.arange(classes, dtype=np.int64), -first)
        drawn: NDArray[np.int64] = key.fold(client).permutation(classes)
        if self.class_assignment_mode == "random":
            return drawn
        return np.concatenate([[first], drawn[drawn != first]])

    def _check_demand(self, demand: NDArray[np.int64], totals: NDArray[np.int64]) -> None:
        scarce = np.flatnonzero(demand > totals)
        if len(scarce):
            label = int(scarce[0])
            raise ConfigurationError(
                f"Pathological: {demand[label]} clients hold class {label}, which has {totals[label]} "
                "samples; choose fewer clients, a smaller num_classes_per_partition or "
                "class_assignment_mode=deterministic"
            )
