"""QSGD: its variance against the exact sum over coordinates, and its bounds against their worst rows."""

import math

import pytest
import torch

from fedkd_compression import QSGD, Key, OperatorError


def _variance(row, levels, norm):
    """Exact |C(x) - x|^2/|x|^2 in expectation: a coordinate between two levels errs by p (1 - p) steps squared."""
    x = row.double().abs()
    size = x.norm() if norm == "l2" else x.max()
    part = levels * x / size
    share = part - part.floor()
    return float((share * (1 - share)).sum() * (size / levels) ** 2 / x.square().sum())


def _worst_row(dim, levels):
    """The row that reaches the bound of the largest-value norm: one peak, all others at the worst height."""
    others = dim - 1
    height = (math.sqrt(1 + others / levels**2) - 1) * levels / others
    return torch.tensor([1.0] + [height] * others)


@pytest.mark.parametrize("levels", [1, 2, 5])
@pytest.mark.parametrize("dim", [2, 20, 1000])
def test_the_bound_of_the_largest_value_norm_is_reached_and_never_passed(dim, levels):
    operator = QSGD(levels=levels, norm="max")
    assert _variance(_worst_row(dim, levels), levels, "max") == pytest.approx(operator.omega(dim), rel=1e-5)
    for seed in range(50):
        row = torch.randn(dim, generator=torch.Generator().manual_seed(seed)) ** (1 + 2 * (seed % 3))
        assert _variance(row, levels, "max") <= operator.omega(dim) * (1 + 1e-12)


@pytest.mark.parametrize(("dim", "levels", "omega"), [(20, 1, 4.47), (100, 1, 10.0), (1000, 1, 31.6), (4, 4, 0.25)])
def test_the_euclidean_bound_is_the_published_one(dim, levels, omega):
    assert QSGD(levels=levels).omega(dim) == pytest.approx(omega, rel=1e-3)


@pytest.mark.parametrize("norm", ["l2", "max"])
@pytest.mark.parametrize("levels", [1, 4, 300])
def test_the_measured_variance_is_the_exact_one(levels, norm):
    draws, row = 20_000, torch.randn(20, generator=torch.Generator().manual_seed(2))
    keys = Key.stack([Key.of(5, i) for i in range(draws)])
    _, received = QSGD(levels=levels, norm=norm).transmit(row.repeat(draws, 1), keys)
    ratios = (received - row).double().square().sum(1) / row.double().square().sum()
    tolerance = 5 * float(ratios.std()) / draws**0.5
    assert abs(float(ratios.mean()) - _variance(row, levels, norm)) < tolerance + 1e-9


def test_levels_are_exact_on_the_grid():
    row = torch.tensor([[1.0, -0.75, 0.5, 0.25, 0.0]])
    assert torch.equal(QSGD(levels=4, norm="max").transmit(row, Key.of(0))[1], row)


@pytest.mark.parametrize(("levels", "norm"), [(0, "l2"), (-1, "l2"), (2**21, "l2"), (1, "l1")])
def test_fields_out_of_range_are_refused(levels, norm):
    with pytest.raises(OperatorError, match="QSGD: "):
        QSGD(levels=levels, norm=norm)
