"""Which samples of a reference count, and which of them bring their labels: functions of a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression import Key


def even(labels: NDArray[np.int64], most: int, key: Key) -> NDArray[np.int64]:
    """At most so many samples, as many of each class as there are, in their order.

    In a random order the first of every class are taken, then the second, and so on.

    Shapes: labels [n]; the result [min(n, most)].
    """
    if len(labels) <= most:
        return np.arange(len(labels))
    order = key.permutation(len(labels))
    place, rank = np.empty_like(order), np.empty_like(order)
    place[order] = np.arange(len(order))
    for label in np.unique(labels):
        members = order[labels[order] == label]
        rank[members] = np.arange(len(members))
    return np.sort(np.lexsort((place, rank))[:most])


def labelled(labels: NDArray[np.int64], count: int, draws: int, key: Key) -> NDArray[np.int64]:
    """So many different samples of every class, drawn so many times.

    Args:
        labels: every class has at least ``count``.
        count: samples of each class.
        draws: independent of one another.
        key: of all draws, one row.

    Shapes: labels [n]; the result [draws, classes, count], classes in ascending order.
    """
    return np.stack(
        [
            _drawn(np.flatnonzero(labels == label), count, key.fold(int(label)).spread(draws))
            for label in np.unique(labels)
        ],
        axis=1,
    )


def _drawn(members: NDArray[np.int64], count: int, key: Key) -> NDArray[np.int64]:
    """The first of a random order of the members, in every row of the key [rows, count]."""
    order = np.argsort(key.words(len(members)), axis=1, kind="stable")
    return members[order[:, :count]]
