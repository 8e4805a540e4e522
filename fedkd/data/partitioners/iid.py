"""Every client gets an equal random share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fedkd.data.partitioners.base import Partitioner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class Iid(Partitioner):
    """Equal random shares; sizes differ by one at most, every sample is used."""

    def _assign(
        self, labels: NDArray[np.generic], clients: int, key: Key, owner: NDArray[np.int64] | None
    ) -> list[NDArray[np.int64]]:
        return np.array_split(key.permutation(len(labels)), clients)
