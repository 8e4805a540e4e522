"""What ranks tell each other: 25 bytes a particle, whole, in the order of the ranks."""

from __future__ import annotations

import numpy as np
import pytest

from fedkd.metatraining.exchange import FOUND, Alone, Exchange, Found, told
from tests.metatraining.ranks import together


def found(rank: int) -> Found:
    """As many particles as the rank's number says."""
    rows = np.empty(rank, FOUND)
    rows["seed"] = 2**64 - 1 - np.arange(rank, dtype=np.uint64)
    rows["begins"], rows["above"], rows["below"] = np.arange(rank) % 2 == 0, 0.1 + np.arange(rank), -1e-300
    return rows


def test_a_particle_is_a_seed_a_mark_and_a_pair_of_losses() -> None:
    assert FOUND.itemsize == 8 + 1 + 8 + 8


def test_one_process_tells_itself() -> None:
    (rows,) = told(Alone(), found(3))
    assert np.array_equal(rows, found(3))
    Alone().meet()


@pytest.mark.parametrize("size", [2, 4])
def test_all_are_told_by_all_in_order(size: int) -> None:
    def work(exchange: Exchange) -> list[Found]:
        return told(exchange, found(exchange.rank))

    for heard in together(size, work):
        assert [len(rows) for rows in heard] == list(range(size))
        assert all(np.array_equal(rows, found(rank)) for rank, rows in enumerate(heard))
