"""EnergySVD: the rank, the bound, and the errors that public code of FedKD has."""

import pytest
import torch

from fedkd_compression import Code, EnergySVD, Key, Named, OperatorError, WireError, compress, decompress, sizes

KEY = Key.of(0)


def _row(spectrum, tall=12, wide=15, seed=0):
    """A float64 row [1, tall wide] whose matrix has these singular values."""
    generator = torch.Generator().manual_seed(seed)
    left = torch.linalg.qr(torch.randn(tall, tall, generator=generator, dtype=torch.float64))[0]
    right = torch.linalg.qr(torch.randn(wide, wide, generator=generator, dtype=torch.float64))[0]
    count = len(spectrum)
    scaled = left[:, :count] * torch.tensor(spectrum, dtype=torch.float64)
    return (scaled @ right[:, :count].T).reshape(1, -1)


def _error(received, row):
    return float((received.double() - row.double()).square().sum() / row.double().square().sum())


@pytest.mark.parametrize(("energy", "rank"), [(0.3, 1), (0.49, 1), (0.51, 2), (0.74, 2), (0.76, 3), (0.9, 4)])
def test_the_rank_is_the_smallest_that_holds_the_energy(energy, rank):
    """Squares 1/2, 1/4, ..., 2^-12: k of them hold 1 - 2^-k, but for 2^-12."""
    row = _row([0.5 ** (i / 2) for i in range(1, 13)])
    operator = EnergySVD(energy, height=12)
    code = operator.encode(row, KEY)
    assert code.side.shape == (1, rank)
    assert code.values.shape == (1, rank * 27)
    assert _error(operator.decode(code, KEY, 180), row) == pytest.approx(2.0**-rank, abs=2.0**-12)


def test_factors_are_joined_as_u_times_s_times_v_and_not_by_a_dot_with_s():
    """With a vector s, dot(dot(u, s), v) sums over the rank before v is seen."""
    row = _row([3.0, 2.0])
    operator = EnergySVD(0.99, height=12)
    code = operator.encode(row, KEY)
    left, right = code.values[0, :24].reshape(12, 2), code.values[0, 24:].reshape(15, 2)
    assert torch.allclose((left * code.side[0]) @ right.T, row.reshape(12, 15), rtol=0, atol=1e-12)
    assert torch.allclose(operator.decode(code, KEY, 180), row, rtol=0, atol=1e-12)
    assert torch.allclose(code.side[0], torch.tensor([3.0, 2.0], dtype=torch.float64))


@pytest.mark.parametrize("energy", [0.999, 1.0])
def test_a_row_that_needs_its_full_rank_is_sent_and_not_dropped(energy):
    row = _row([1.0] * 12)
    (frame,), received = compress(EnergySVD(energy, height=12), row, KEY)
    assert torch.equal(received, row)
    assert sizes(frame).body == 8 * 180
    assert torch.equal(decompress(EnergySVD(energy, height=12), [frame], KEY, 180), row)


@pytest.mark.parametrize("dim", [0, 1, 2, 3, 4, 6])
def test_a_short_row_is_never_taken_for_factors(dim):
    """Public code takes three parts for u, s and v; a row of three coordinates is no such thing."""
    row = torch.randn(1, dim, generator=torch.Generator().manual_seed(dim))
    (frame,), received = compress(EnergySVD(0.5), row, KEY)
    assert torch.equal(received, row)
    assert torch.equal(decompress(EnergySVD(0.5), [frame], KEY, dim), row)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("energy", [0.1, 0.5, 0.9, 0.99, 1 - 1e-6, 1.0])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_bound_holds_for_every_row_and_not_only_in_the_mean(scale, energy, dtype):
    for seed in range(5):
        row = (_row([0.7**i for i in range(12)], seed=seed) * scale).to(dtype)
        error = _error(compress(EnergySVD(energy, height=12), row, KEY)[1].double() / scale, row.double() / scale)
        assert error <= 1 - energy


def test_factors_are_sent_only_where_they_are_shorter():
    for count in range(1, 13):
        row = _row([1.0] * count).float()
        (frame,), _ = compress(EnergySVD(0.999, height=12), row, KEY)
        factors = count * 28 < 180
        assert sizes(frame).side == (8 * count if factors else 0)
        assert sizes(frame).body == (4 * count * 27 if factors else 4 * 180)


def test_rows_of_a_batch_have_ranks_of_their_own():
    rows = torch.cat((_row([1.0]), _row([1.0, 1.0, 1.0]), torch.zeros(1, 180, dtype=torch.float64), _row([1.0] * 12)))
    operator, keys = EnergySVD(0.99, height=12), KEY.spread(4)
    frames, received = compress(operator, rows, keys)
    assert [sizes(frame).side for frame in frames] == [8, 24, 0, 0]
    assert [sizes(frame).body for frame in frames] == [8 * 27, 8 * 81, 0, 8 * 180]
    assert torch.equal(decompress(operator, frames, keys, 180), received)
    assert torch.allclose(received, rows, rtol=0, atol=1e-12)


def test_huge_singular_values_do_not_overflow_float32():
    row = torch.full((1, 10_000), 1e37)
    received = compress(EnergySVD(0.9), row, KEY)[1]
    assert torch.allclose(received, row, rtol=1e-5)


def test_the_matrix_is_that_of_the_tensor():
    assert EnergySVD(0.9).shaped((Named("conv", (6, 5, 3, 3)),)) == EnergySVD(0.9, height=6)
    assert EnergySVD(0.9).shaped((Named("bias", (6,)),)) == EnergySVD(0.9)
    assert EnergySVD(0.9, height=2).shaped((Named("a", (6, 5)),)) == EnergySVD(0.9, height=2)


def test_more_singular_values_than_can_have_been_sent_are_refused():
    code = Code(values=torch.zeros(1, 7 * 27), side=torch.zeros(1, 7))
    with pytest.raises(WireError, match="7 singular values are too many for dim=180"):
        EnergySVD(0.9, height=12).decode(code, KEY, 180)


@pytest.mark.parametrize(("energy", "height"), [(0.0, None), (-0.1, None), (1.1, None), (float("nan"), None), (0.5, 0)])
def test_fields_out_of_range_are_refused(energy, height):
    with pytest.raises(OperatorError, match="EnergySVD: "):
        EnergySVD(energy, height=height)
