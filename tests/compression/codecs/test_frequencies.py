"""Frequencies: they sum to a power of two, keep every symbol, and come back."""

import numpy as np
import pytest

from fedkd_compression import WireError
from fedkd_compression.codecs import frequencies

COUNTS = {
    "one symbol": [[5]],
    "an empty table": [[0, 0, 0], [1, 2, 3]],
    "a rare symbol": [[10**9, 1, 0]],
    "many rare symbols": [[10**9] + [1] * 200],
    "as many symbols as slots": [[1] * 256],
    "ordinary": [[3, 50, 900, 47, 0, 2]],
}


@pytest.mark.parametrize("precision", [8, 10, 12])
@pytest.mark.parametrize("name", COUNTS)
def test_they_sum_to_the_total_and_no_symbol_is_lost(name, precision):
    counts = np.array(COUNTS[name], np.int64)
    table = frequencies.normalised(counts, precision)
    assert (table.sum(axis=1) == 1 << precision).all()
    assert (table[counts > 0] > 0).all()
    coded = np.frombuffer(frequencies.put(table) + b"rest", np.uint8)
    decoded, used = frequencies.take(coded, *table.shape, precision)
    assert np.array_equal(decoded, table)
    assert used == len(coded) - 4


def test_they_are_near_the_counts():
    counts = np.random.default_rng(0).integers(50, 1000, (1, 20))
    table = frequencies.normalised(counts, 12)
    assert np.abs(table / 4096 - counts / counts.sum()).max() < 3 / 4096


def test_a_wrong_sum_or_a_cut_is_refused():
    coded = np.frombuffer(frequencies.put(np.array([[200, 55]])), np.uint8)
    with pytest.raises(WireError, match="do not sum to"):
        frequencies.take(coded, 1, 2, 8)
    for end in range(len(coded)):
        with pytest.raises(WireError):
            frequencies.take(coded[:end], 1, 2, 8)
