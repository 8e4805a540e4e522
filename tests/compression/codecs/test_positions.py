"""Rice codes and the gaps of positions."""

import math

import numpy as np
import pytest

from fedkd_compression import OperatorError, WireError
from fedkd_compression.codecs import decode_positions, encode_positions, rice


@pytest.mark.parametrize(("count", "dim"), [(0, 10), (1, 1), (1, 2**40), (10, 10), (50, 100_000), (2000, 2500)])
def test_positions_come_back(count, dim):
    if dim > 10**6:
        positions = np.array([2**31], np.int64)
    else:
        positions = np.sort(np.random.default_rng(0).choice(dim, count, replace=False)).astype(np.int64)
    coded = np.frombuffer(encode_positions(positions, dim), np.uint8)
    assert np.array_equal(decode_positions(coded, count, dim), positions)


def test_gaps_cost_a_few_hundredths_of_a_bit_more_than_their_entropy():
    dim, count = 1_000_000, 10_000
    positions = np.sort(np.random.default_rng(1).choice(dim, count, replace=False)).astype(np.int64)
    share = count / dim
    entropy = -(share * math.log2(share) + (1 - share) * math.log2(1 - share)) / share
    assert 8 * len(encode_positions(positions, dim)) / count < entropy + 0.07


@pytest.mark.parametrize("positions", [[3, 3], [4, 2], [-1, 2], [2, 10]])
def test_positions_that_do_not_increase_within_the_row_are_refused(positions):
    with pytest.raises(OperatorError, match="strictly increasing"):
        encode_positions(np.array(positions, np.int64), 10)


def test_positions_beyond_the_receivers_dimension_are_refused():
    coded = np.frombuffer(encode_positions(np.array([2, 9], np.int64), 10), np.uint8)
    with pytest.raises(WireError, match="not below dim=9"):
        decode_positions(coded, 2, 9)


@pytest.mark.parametrize("data", [[], [0], [200, 1], [31, 0, 0], [0, 0, 0, 0, 0]])
def test_rice_codes_that_end_early_are_refused(data):
    with pytest.raises(WireError):
        rice.decode(np.array(data, np.uint8), 3)


@pytest.mark.parametrize("top", [0, 1, 100, 2**32 - 1])
def test_the_parameter_makes_numbers_shorter_than_its_neighbours_do(top):
    numbers = np.random.default_rng(2).integers(0, top, 1000, endpoint=True).astype(np.uint32)
    k, size = rice.parameter(numbers)
    assert len(rice.encode(numbers, k)) == size
    assert np.array_equal(rice.decode(np.frombuffer(rice.encode(numbers, k) + b"more", np.uint8), 1000)[0], numbers)
    assert rice.decode(np.frombuffer(rice.encode(numbers, k), np.uint8), 1000)[1] == size
    for other in (k - 1, k + 1):
        if 0 <= other <= 31:
            assert len(rice.encode(numbers, other)) >= size
