"""Sign: the scale, the error, one bit a coordinate, and zeros."""

import math

import pytest
import torch

from fedkd_compression import Key, Sign, compress, sizes


def _row(dim):
    return torch.randn(dim, generator=torch.Generator().manual_seed(dim))


def _received(rows):
    return compress(Sign(), rows, Key.of(0))[1]


def test_each_coordinate_becomes_the_mean_absolute_value_with_its_sign():
    rows = torch.tensor([[1.0, -2.0, 6.0, -3.0], [0.0, 0.0, -4.0, 8.0]])
    keys = Key.of(0).spread(2)
    expected = torch.tensor([[3.0, -3.0, 3.0, -3.0], [0.0, 0.0, -3.0, 3.0]])
    assert torch.equal(compress(Sign(), rows, keys)[1], expected)


@pytest.mark.parametrize("dim", [1, 2, 20, 1000])
def test_the_error_is_that_of_the_row_and_never_above_the_worst(dim):
    row = _row(dim)[None]
    exact = row.double()
    error = float((_received(row).double() - exact).square().sum() / exact.square().sum())
    kept = float(exact.abs().sum() ** 2 / (dim * exact.square().sum()))
    assert error == pytest.approx(1 - kept, abs=1e-6)
    assert kept >= Sign().delta(dim)


@pytest.mark.parametrize("dim", [1, 2, 20])
def test_one_coordinate_alone_comes_within_the_zeros_of_the_worst(dim):
    """Zeros stay zero, which saves (dim - 1)/dim^2 of what the bound allows."""
    row = torch.nn.functional.one_hot(torch.tensor([dim // 2]), dim).double()
    error = float((_received(row) - row).square().sum())
    assert error == pytest.approx((1 - 1 / dim) ** 2)
    assert error <= 1 - Sign().delta(dim)


def test_it_keeps_two_over_pi_of_a_gaussian_row():
    row = _row(100_000)[None]
    error = float((_received(row) - row).square().sum() / row.square().sum())
    assert error == pytest.approx(1 - 2 / math.pi, abs=0.01)


@pytest.mark.parametrize("dim", [8, 1000, 100_000])
def test_a_row_without_zeros_costs_one_bit_a_coordinate(dim):
    (frame,), _ = compress(Sign(), _row(dim)[None], Key.of(0))
    assert sizes(frame).body <= math.ceil(dim / 8) + 4
    assert sizes(frame).side == 4


def test_a_sparse_row_costs_less():
    row = torch.zeros(1, 100_000)
    row[0, ::100] = _row(1000)
    assert sizes(compress(Sign(), row, Key.of(0))[0][0]).body < 100_000 / 8 / 8


def test_scales_of_tiny_and_huge_float64_rows_are_neither_lost_nor_infinite():
    for scale in (1e-300, 1e300):
        row = _row(100).double()[None] * scale
        assert torch.allclose(_received(row).abs() / scale, row.abs().mean() / scale, rtol=1e-12)
