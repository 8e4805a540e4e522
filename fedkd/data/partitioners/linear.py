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
        count, units = len(labels), clients * (clients + 1) // 2
        if count < units:
            raise ConfigurationError(
                f"Linear: clients={clients} needs {units} samples so that client 0 gets one, "
                f"there are {count}; choose fewer clients"
            )
        sizes = count * np.arange(1, clients, dtype=np.int64) // units
        return np.split(key.permutation(count), np.cumsum(sizes))
