"""LowRank: a projection, what it keeps from a cold start, warm starts, and matrices that are no full ones."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from fedkd_compression import Key, LowRank, Named, OperatorError, compress, decompress, sizes

SIGMAS = 5


def _matrix(tall, wide, spectrum, seed=0):
    """A float64 matrix with these singular values."""
    generator = torch.Generator().manual_seed(seed)
    left = torch.linalg.qr(torch.randn(tall, len(spectrum), generator=generator, dtype=torch.float64))[0]
    right = torch.linalg.qr(torch.randn(wide, len(spectrum), generator=generator, dtype=torch.float64))[0]
    return (left * torch.tensor(spectrum, dtype=torch.float64)) @ right.T


def _error(received, row):
    return float((received.double() - row.double()).square().sum() / row.double().square().sum())


@pytest.mark.parametrize("rank", [2, 3])
def test_a_matrix_of_low_rank_is_kept(rank):
    row = _matrix(30, 20, [3.0, 1.0]).reshape(1, -1)
    received = compress(LowRank(rank=rank, height=30), row, Key.of(0))[1]
    assert torch.allclose(received, row, rtol=0, atol=1e-14)
    assert _error(compress(LowRank(rank=rank, height=30), row.float(), Key.of(0))[1], row) < 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_received_is_a_projection_of_the_row(dtype):
    row = torch.randn(1, 600, generator=torch.Generator().manual_seed(1), dtype=dtype)
    code, received = LowRank(rank=4, height=30).transmit(row, Key.of(0))
    basis = code.values[0, :120].reshape(30, 4).double()
    tolerance = 1e-6 if dtype == torch.float32 else 1e-14
    assert torch.allclose(basis.T @ basis, torch.eye(4, dtype=torch.float64), rtol=0, atol=tolerance)
    matrix = row.reshape(30, 20).double()
    assert torch.allclose(received.reshape(30, 20).double(), basis @ (basis.T @ matrix), rtol=0, atol=10 * tolerance)
    assert 0 < _error(received, row) < 1


@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("spectrum", [[1.0] * 8, [0.5**i for i in range(8)]], ids=["flat", "steep"])
def test_a_cold_start_keeps_at_least_its_share(spectrum, rank):
    """On a flat spectrum every direction is as good as another: the bound is reached."""
    draws, operator = 2000, LowRank(rank=rank, height=8)
    row = _matrix(8, 12, spectrum).reshape(1, -1)
    received = operator.transmit(row.repeat(draws, 1), Key.of(1).spread(draws))[1]
    kept = 1 - (received - row).square().sum(1) / row.square().sum()
    slack = SIGMAS * float(kept.std()) / draws**0.5 + 1e-9
    assert float(kept.mean()) >= operator.delta(96) - slack
    assert operator.delta(96) == rank / 8
    if spectrum[1] == 1.0:
        assert float(kept.mean()) <= operator.delta(96) + slack


def test_warm_starts_come_near_the_best_rank_and_the_receiver_needs_none():
    spectrum = [1.0, 0.9, 0.6, 0.5, 0.4, 0.3]
    row, operator = _matrix(20, 30, spectrum).float().reshape(1, -1), LowRank(rank=2, height=20)
    best = sum(s * s for s in spectrum[2:]) / sum(s * s for s in spectrum)
    errors, warm = [], operator
    for i in range(15):
        key = Key.of(2, i)
        code, received = warm.transmit(row, key)
        (frame,), told = compress(warm, row, key)
        assert torch.equal(decompress(operator, [frame], key, 600), told)
        assert torch.equal(received, told)
        errors.append(_error(received, row))
        warm = warm.warmed(code, 600)
    assert errors[0] > 1.02 * best
    assert errors[-1] < 1.001 * best
    assert all(later <= earlier + 1e-6 for earlier, later in pairwise(errors))


def test_a_start_is_no_part_of_the_operators_name():
    operator = LowRank(rank=2)
    warm = operator.warmed(operator.encode(torch.randn(1, 100), Key.of(0)), 100)
    assert warm.start is not None
    assert operator.start is None
    assert (repr(warm), warm, hash(warm)) == (repr(operator), operator, hash(operator))
    assert replace(warm, rank=3).start is None
    assert warm.delta(100) == 0.0
    assert operator.delta(100) == 0.2


def test_a_message_of_zeros_does_not_end_the_warm_starts():
    operator, row = LowRank(rank=2), torch.randn(1, 100, generator=torch.Generator().manual_seed(3))
    warm = operator.warmed(operator.encode(torch.zeros(1, 100), Key.of(0)), 100)
    assert torch.equal(warm.transmit(row, Key.of(1))[1], operator.transmit(row, Key.of(1))[1])


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_a_start_of_any_scale_serves(scale):
    operator, row = LowRank(rank=2), torch.randn(1, 100, generator=torch.Generator().manual_seed(4)).double()
    warm = operator.warmed(operator.encode(row * scale, Key.of(0)), 100)
    plain = operator.warmed(operator.encode(row, Key.of(0)), 100)
    expected = plain.transmit(row, Key.of(1))[1]
    assert torch.allclose(warm.transmit(row * scale, Key.of(1))[1] / scale, expected, rtol=0, atol=1e-12)


def test_a_start_of_other_rows_is_refused():
    operator = LowRank(rank=2)
    warm = operator.warmed(operator.encode(torch.randn(1, 100), Key.of(0)), 100)
    with pytest.raises(OperatorError, match=r"LowRank: start \(1, 10, 2\) for rows that need \(1, 20, 2\)"):
        warm.encode(torch.randn(1, 400), Key.of(0))


@pytest.mark.parametrize("matrix", ["zeros", "one column", "one row", "one entry"])
def test_dependent_columns_become_zero_not_noise(matrix):
    tall = torch.zeros(10, 12)
    tall[{"zeros": [], "one row": 3}.get(matrix, slice(None)), 4] = 2.0
    if matrix == "one entry":
        tall[1:] = 0
    if matrix == "one row":
        tall[3] = torch.arange(12.0)
    code, received = LowRank(rank=3, height=10).transmit(tall.reshape(1, -1), Key.of(0))
    assert torch.allclose(received, tall.reshape(1, -1), rtol=0, atol=1e-6)
    basis = code.values[0, :30].reshape(10, 3)
    assert torch.count_nonzero(basis.square().sum(0) > 0.5) == (0 if matrix == "zeros" else 1)
    assert not basis[:, 1:].any()


def test_the_matrix_is_that_of_the_tensor_or_as_square_as_can_be():
    assert LowRank(rank=1).shaped((Named("conv", (6, 5, 3, 3)),)) == LowRank(rank=1, height=6)
    assert LowRank(rank=1).shaped((Named("bias", (6,)),)) == LowRank(rank=1)
    assert LowRank(rank=1).shaped((Named("a", (6, 5)), Named("b", (6, 5)))) == LowRank(rank=1)
    assert LowRank(rank=1, height=2).shaped((Named("a", (6, 5)),)) == LowRank(rank=1, height=2)
    for operator, dim, values in ((LowRank(1, 6), 270, 6 + 45), (LowRank(1), 270, 16 + 17), (LowRank(2), 90, 2 * 19)):
        (frame,), _ = compress(operator, torch.randn(1, dim), Key.of(0))
        assert sizes(frame).body == 4 * values


@pytest.mark.parametrize("dim", [0, 1, 2, 3, 4, 8])
def test_a_row_as_short_as_its_factors_is_sent_as_it_is(dim):
    row = torch.randn(1, dim, generator=torch.Generator().manual_seed(dim))
    (frame,), received = compress(LowRank(rank=2), row, Key.of(0))
    assert torch.equal(received, row)
    assert sizes(frame).body == 4 * dim
    assert LowRank(rank=2).delta(dim) == 1.0
    assert LowRank(rank=2).warmed(LowRank(rank=2).encode(row, Key.of(0)), dim).start is None


@pytest.mark.parametrize(("rank", "height"), [(0, None), (-1, None), (1, 0)])
def test_fields_out_of_range_are_refused(rank, height):
    with pytest.raises(OperatorError, match="LowRank: "):
        LowRank(rank=rank, height=height)
