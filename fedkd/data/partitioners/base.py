"""What every partitioner is: which client holds which training samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fedkd_compression.keys import Key


class Partitioner(ABC):
    """How training samples are dealt to clients: a frozen dataclass, a pure function of the key.

    Names and meaning of the fields follow flwr-datasets; the number of clients is the run's.
    """

    def partition(
        self,
        labels: NDArray[np.generic],
        clients: int,
        key: Key,
        owner: NDArray[np.int64] | None,
    ) -> list[NDArray[np.int64]]:
        """Indices of the samples of each client, ascending, disjoint, never empty.

        Args:
            labels: label of each training sample.
            clients: number of clients, at least 1.
            key: the randomness, one row.
            owner: natural client id of each sample, or None.

        Shapes: labels [n]; owner [n]; the result has ``clients`` arrays.

        Raises:
            ConfigurationError: there are more clients than samples, or the fields cannot be met.

        Example:
            ``Iid().partition(np.zeros(10), 3, Key.of(0, "partition"), None)`` gives 4, 3 and 3 indices.
        """
        if not 1 <= clients <= len(labels):
            raise ConfigurationError(
                f"{type(self).__name__}: clients={clients} is not in [1, {len(labels)}], the number of "
                f"training samples; choose clients <= {len(labels)}"
            )
        parts = self._assign(labels, clients, key, owner)
        return [np.sort(part).astype(np.int64) for part in parts]

    def check(self, samples: int, clients: int) -> None:
        """Refuse what so many samples cannot be, before they are loaded.

        Raises:
            ConfigurationError: value, bound and fix.
        """
        return

    @abstractmethod
    def _assign(
        self,
        labels: NDArray[np.generic],
        clients: int,
        key: Key,
        owner: NDArray[np.int64] | None,
    ) -> Sequence[NDArray[np.int64]]:
        """The same in any order; clients and labels have been checked."""


def class_codes(partitioner: Partitioner, labels: NDArray[np.generic]) -> NDArray[np.int64]:
    """Labels as ranks 0, 1, ... of the classes present.

    Raises:
        ConfigurationError: the labels are real numbers, not classes.
    """
    distinct, codes = np.unique(labels, return_inverse=True)
    if distinct.dtype.kind == "f" and bool(np.any(distinct != np.round(distinct))):
        raise ConfigurationError(
            f"{type(partitioner).__name__}: labels are real numbers ({len(distinct)} distinct), not classes; "
            "choose partitioner=iid, linear or natural_id"
        )
    return np.asarray(codes.reshape(-1), dtype=np.int64)


def label_counts(labels: NDArray[np.generic], parts: Sequence[NDArray[np.int64]], classes: int) -> NDArray[np.int64]:
    """How many samples of each class every client holds.

    Integer labels are class numbers; real labels (-1 and +1) count by rank; regression (classes=0) has
    no columns.

    Shapes: labels [n]; the result [len(parts), classes].
    """
    if classes == 0:
        return np.zeros((len(parts), 0), dtype=np.int64)
    codes = labels if labels.dtype.kind in "iu" else np.unique(labels, return_inverse=True)[1].reshape(-1)
    return np.stack([np.bincount(codes[part], minlength=classes) for part in parts]).astype(np.int64)
