"""CountSketch: its variance, its linearity, its size."""

import pytest
import torch

from fedkd_compression import CountSketch, Key, OperatorError, compress, decompress_sum, sizes

SIGMAS = 5


def _row(dim, seed=0):
    return torch.randn(dim, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("columns", "depth"), [(1, 1), (5, 1), (5, 3), (1, 4)])
@pytest.mark.parametrize("row", [_row(20), _row(20) ** 5, torch.eye(20)[3]], ids=["dense", "heavy", "one_hot"])
def test_omega_is_the_variance_of_every_row(columns, depth, row):
    draws, operator = 20_000, CountSketch(columns, depth)
    _, received = operator.transmit(row.repeat(draws, 1), Key.of(1).spread(draws))
    ratios = (received.double() - row.double()).square().sum(1) / row.double().square().sum()
    assert abs(float(ratios.mean()) - operator.omega(20)) < SIGMAS * float(ratios.std()) / draws**0.5 + 1e-5


@pytest.mark.parametrize(("dim", "columns", "depth", "omega"), [(1, 1, 1, 0.0), (101, 20, 1, 5.0), (101, 10, 2, 5.0)])
def test_omega_is_the_chance_of_meeting_times_the_others(dim, columns, depth, omega):
    assert CountSketch(columns, depth).omega(dim) == omega


def test_one_hash_is_the_matrix_of_its_buckets():
    """Column j of S^T S: 1 at j, plus or minus 1 where the bucket is shared, 0 elsewhere; and C(x) is that times x."""
    dim, operator, key = 30, CountSketch(columns=7), Key.of(2)
    matrix = operator.transmit(torch.eye(dim, dtype=torch.float64), key.repeat(dim))[1]
    assert torch.equal(matrix.diagonal(), torch.ones(dim, dtype=torch.float64))
    assert torch.equal(matrix, matrix.T)
    assert set(matrix.unique().tolist()) <= {-1.0, 0.0, 1.0}
    assert int(torch.linalg.matrix_rank(matrix)) <= 7
    row = _row(dim).double()[None]
    assert torch.allclose(operator.transmit(row, key)[1], row @ matrix, rtol=1e-12, atol=1e-12)


def test_several_hashes_are_the_mean_of_single_ones():
    row, key = _row(50).double()[None], Key.of(3)
    single = [CountSketch(columns=9).transmit(row, Key((own,)))[1] for own in _hashes_of(key, 3)]
    assert torch.allclose(CountSketch(columns=9, depth=3).transmit(row, key)[1], sum(single) / 3, rtol=1e-12)


def _hashes_of(key, depth):
    """Keys whose first sub-stream is each of the sub-streams of ``key``."""
    constant = 0x9E3779B97F4A7C15
    return [(key.rows[0] + r * constant) % 2**64 for r in range(depth)]


def test_buckets_and_signs_are_uniform():
    draws, columns = 40_000, 5
    code = CountSketch(columns).encode(torch.ones(draws, 5)[:, :columns], Key.of(4).spread(draws)).values
    alone = CountSketch(columns).encode(torch.eye(5)[:1].repeat(draws, 1), Key.of(4).spread(draws)).values
    frequency = (alone != 0).double().mean(0)
    assert (frequency - 1 / columns).abs().max() < SIGMAS * (1 / columns * (1 - 1 / columns) / draws) ** 0.5
    assert alone.sum(1).abs().eq(1).all()
    assert abs(float(alone.sum(1).mean())) < SIGMAS / draws**0.5
    assert code.abs().max() <= 5


def test_sketches_are_added_and_decoded_once():
    operator, key = CountSketch(columns=40, depth=2), Key.of(5)
    rows = torch.stack([_row(200, seed) for seed in range(3)])
    frames, received = compress(operator, rows, key.repeat(3))
    weights = [1.0, -2.0, 0.5]
    expected = (torch.tensor(weights, dtype=torch.float64)[:, None] * received.double()).sum(0)
    assert torch.allclose(decompress_sum(operator, frames, key, 200, weights), expected, rtol=1e-5, atol=1e-5)


def test_a_batch_of_many_rows_is_its_rows():
    operator, keys = CountSketch(columns=11, depth=2), Key.of(6).spread(40)
    rows = torch.stack([_row(60_000, seed) for seed in range(40)])
    received = operator.transmit(rows, keys)[1]
    for i in (0, 16, 17, 39):
        assert torch.equal(operator.transmit(rows[i : i + 1], keys.row(i))[1][0], received[i])


def test_the_size_is_that_of_the_sketch():
    (frame,), _ = compress(CountSketch(columns=10, depth=3), _row(1000)[None], Key.of(0))
    assert sizes(frame).body == 4 * 30


def test_a_sketch_longer_than_the_row_is_refused():
    with pytest.raises(OperatorError, match=r"CountSketch: columns \* depth = 30 exceeds dim=20; choose at most dim"):
        compress(CountSketch(columns=10, depth=3), torch.zeros(1, 20), Key.of(0))


@pytest.mark.parametrize(("columns", "depth"), [(0, 1), (1, 0), (-1, 1)])
def test_fields_out_of_range_are_refused(columns, depth):
    with pytest.raises(OperatorError, match="CountSketch: "):
        CountSketch(columns, depth)
