"""Every natural owner of samples is a client."""

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
class NaturalId(Partitioner):
    """One client for each natural owner, in ascending order of the owners' ids; every sample is used."""

    def _assign(
        self, labels: NDArray[np.generic], clients: int, key: Key, owner: NDArray[np.int64] | None
    ) -> list[NDArray[np.int64]]:
        if owner is None:
            raise ConfigurationError(
                "NaturalId: the data set names no owner of its samples; choose another partitioner, "
                "or a data set with owners (npz with an array 'owner', least_squares, logistic)"
            )
        order = np.argsort(owner, kind="stable")
        distinct, starts = np.unique(owner[order], return_index=True)
        if len(distinct) != clients:
            raise ConfigurationError(
                f"NaturalId: clients={clients} differs from the {len(distinct)} owners of the data set; "
                f"set clients={len(distinct)}"
            )
        return np.split(order, starts[1:])
