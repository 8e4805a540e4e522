"""Natural: neighbouring powers of two, the stated variance, and every exponent that a float can have."""

import math

import pytest
import torch

from fedkd_compression import Key, Natural, OperatorError, compress, decompress, sizes

SIGMAS = 5


def _row(dim, dtype=torch.float32):
    return torch.randn(dim, generator=torch.Generator().manual_seed(dim), dtype=torch.float64).to(dtype)


def _received(row, draws, seed=0):
    keys = Key.of(seed).spread(draws)
    return Natural().transmit(row.repeat(draws, 1), keys)[1].double()


def _variance(row):
    """E|C(x) - x|^2: f (1 - f) 4^e for each coordinate 2^e (1 + f)."""
    mantissa, exponent = torch.frexp(row.double().abs())
    fraction = 2 * mantissa - 1
    return float(torch.where(row == 0, 0, fraction * (1 - fraction) * 4.0 ** (exponent.double() - 1)).sum())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_coordinate_becomes_a_neighbouring_power_of_two(dtype):
    row = _row(10_000, dtype)
    received = Natural().transmit(row[None], Key.of(1))[1][0]
    below = 2.0 ** row.abs().log2().floor()
    assert torch.equal(received.sign(), row.sign())
    assert ((received.abs() == below) | (received.abs() == 2 * below)).all()
    assert received.dtype == dtype


def test_powers_of_two_and_zeros_are_kept():
    row = torch.tensor([[1.0, -0.5, 0.0, 2.0**-126, -(2.0**100), -0.0]])
    assert torch.equal(compress(Natural(), row, Key.of(0))[1], row)


def test_the_worst_place_reaches_omega():
    draws, row = 100_000, torch.tensor([4 / 3, -4 / 3])
    errors = (_received(row, draws) - row.double()).square()
    assert abs(float(errors.mean()) / (16 / 9) - Natural().omega(2)) < SIGMAS * float(errors.std()) / draws**0.5


@pytest.mark.parametrize("scale", [1.0, 1e30, 1e-30, 1e-38, 1e-43])
def test_the_measured_variance_is_the_exact_one_even_of_subnormal_rows(scale):
    draws, row = 20_000, _row(20) * scale
    errors = ((_received(row, draws) - row.double()) / scale).square().sum(1)
    expected = _variance(row) / scale**2
    assert expected <= Natural().omega(20) * float((row.double() / scale).square().sum())
    assert abs(float(errors.mean()) - expected) < SIGMAS * float(errors.std()) / draws**0.5 + 1e-3 * expected


def test_the_probability_is_exact_for_float32():
    """1 + 2^-10 goes up in 2^-10 of the draws: 97.7 expected of 100,000."""
    draws = 100_000
    up = float((_received(torch.tensor([1 + 2.0**-10]), draws) == 2).sum())
    assert abs(up - draws / 1024) < SIGMAS * math.sqrt(draws / 1024)


@pytest.mark.parametrize(("dtype", "low", "high"), [(torch.float32, -149, 127), (torch.float64, -1074, 1023)])
def test_one_row_may_hold_every_exponent(dtype, low, high):
    row = (2.0 ** torch.arange(low, high + 1, dtype=torch.float64)).to(dtype)[None]
    frames, received = compress(Natural(), row, Key.of(0))
    normal = row >= torch.finfo(dtype).tiny
    assert torch.equal(received[normal], row[normal])
    # Beside large numbers, subnormal ones are rounded to zero or to the smallest normal number.
    assert received[~normal].max() <= torch.finfo(dtype).tiny
    assert torch.equal(decompress(Natural(), frames, Key.of(0), row.shape[1]), received)


def test_rounding_beyond_the_largest_float_is_refused_not_sent():
    with pytest.raises(OperatorError, match="scale the rows down"):
        compress(Natural(), torch.full((1, 50), 3.3e38), Key.of(0))


def test_a_frame_is_near_the_entropy_of_its_symbols():
    dim, key = 100_000, Key.of(2)
    rows = _row(dim)[None]
    (frame,), _ = compress(Natural(), rows, key)
    counts = Natural().encode(rows, key).symbols.unique(return_counts=True)[1] / dim
    entropy = float(-(counts * counts.log2()).sum())
    assert sizes(frame).side == 4
    assert entropy < 8 * sizes(frame).body / dim < 1.01 * entropy
