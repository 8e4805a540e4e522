"""Shares that grow linearly with the client's number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fedkd.data.partitioners.base import Partitioner
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class Linear(Partitioner):
    """Random shares of size proportional to 1, 2, ..., clients; the last takes the rounding's rest."""

    def _assign(
        self, labels: NDArray[np.generic], clients: int, key: Key, owner: NDArray[np.int64] | None
    ) -> list[NDArray[np.int64]]:
        self.check(len(labels), clients)
        sizes = len(labels) * np.arange(1, clients, dtype=np.int64) // _units(clients)
        return np.split(key.permutation(len(labels)), np.cumsum(sizes))

    def check(self, samples: int, clients: int) -> None:
        """The smallest share must be a sample."""
        if samples < (units := _units(clients)):
            raise ConfigurationError(
                f"Linear: clients={clients} needs {units} samples so that client 0 gets one, "
                f"there are {samples}; choose fewer clients"
            )


def _units(clients: int) -> int:
    return clients * (clients + 1) // 2
