"""The default operator: omega is exact on every input, the rate is near the limit, scales are never lost."""

import math

import pytest
import torch

from fedkd_compression import Key, OperatorError, SubtractiveDither, compress

SIGMAS = 5


def _input(kind, dim):
    generator = torch.Generator().manual_seed(dim)
    if kind == "one_hot":
        return torch.nn.functional.one_hot(torch.tensor(dim // 2), dim).float()
    row = torch.randn(dim, generator=generator)
    return row if kind == "dense" else row**5


@pytest.mark.parametrize("step", [0.25, 1.0, 2.5])
@pytest.mark.parametrize("dim", [1, 7, 20, 4096, 1_000_000])
@pytest.mark.parametrize("kind", ["dense", "heavy", "one_hot"])
def test_omega_is_the_variance_of_a_uniform_error_for_every_input(kind, dim, step):
    operator, row = SubtractiveDither(step=step), _input(kind, dim)
    draws = max(1, 40_000 // dim)
    keys = Key.stack([Key.of(1, i) for i in range(draws)])
    _, received = operator.transmit(row.repeat(draws, 1), keys)
    error = (received.double() - row.double()).square().sum() / (draws * row.double().square().sum())
    # A uniform error has E e^4 - (E e^2)^2 = 4/5 (E e^2)^2.
    tolerance = SIGMAS * (0.8 / (draws * dim)) ** 0.5 + 1e-5
    assert abs(float(error) / operator.omega(dim) - 1) < tolerance


def test_the_error_is_uniform_and_uncorrelated_with_the_row():
    dim = 200_000
    row = torch.randn(1, dim, generator=torch.Generator().manual_seed(0))
    _, received = SubtractiveDither(step=1.0).transmit(row, Key.of(2))
    error = ((received - row) / row.square().mean().sqrt()).double()
    assert error.abs().max() <= 0.5 + 1e-6
    counts = torch.histc(error, 20, -0.5, 0.5)
    assert (counts - dim / 20).abs().max() < SIGMAS * (dim / 20) ** 0.5
    assert abs(float((error * row).mean())) < SIGMAS * (1 / 12 / dim) ** 0.5


@pytest.mark.parametrize("step", [0.25, 1.0])
def test_a_whole_message_is_near_the_limit_for_unbiased_operators(step):
    dim = 1_000_000
    row = torch.randn(1, dim, generator=torch.Generator().manual_seed(1))
    (frame,), _ = compress(SubtractiveDither(step=step), row, Key.of(3))
    limit = 0.5 * math.log2(1 + 12 / step**2)
    assert limit < 8 * len(frame) / dim < limit + 0.27


def test_zeros_cost_a_header():
    (frame,), _ = compress(SubtractiveDither(step=1.0), torch.zeros(1, 1_000_000), Key.of(0))
    assert len(frame) <= 24


def test_a_coarse_step_on_a_one_sparse_row_costs_the_escape_only():
    row = _input("one_hot", 100_000)[None]
    (frame,), received = compress(SubtractiveDither(step=2.5), row, Key.of(4))
    assert abs(float(received[0, 50_000]) - 1) < 2.5 / 100_000**0.5
    assert len(frame) < 100_000 / 8


@pytest.mark.parametrize("step", [0.0, -1.0, 2.0**-13, 5000.0, math.nan, math.inf])
def test_steps_out_of_range_are_refused(step):
    with pytest.raises(OperatorError, match="step="):
        SubtractiveDither(step=step)


def test_a_step_too_fine_for_the_dimension_is_refused_with_the_least_that_works():
    with pytest.raises(OperatorError, match="choose step >= "):
        SubtractiveDither(step=2.0**-12).check(10**8)
    SubtractiveDither(step=0.003).check(10**8)
