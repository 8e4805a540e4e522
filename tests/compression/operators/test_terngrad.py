"""TernGrad: the levels of QSGD's simplest case, a bound that is reached, and fewer bytes for what both ends know."""

import pytest
import torch

from fedkd_compression import QSGD, Key, TernGrad, compress, sizes

SIGMAS = 5


def _row(dim, seed=0):
    return torch.randn(dim, generator=torch.Generator().manual_seed(seed))


def _variance(row):
    """E|C(x) - x|^2/|x|^2 = (t |x|_1 - |x|^2)/|x|^2."""
    size = row.double().abs()
    return float((size.max() * size.sum() - size.square().sum()) / size.square().sum())


@pytest.mark.parametrize("dim", [2, 5, 20, 1000])
def test_omega_is_reached_and_never_passed(dim):
    omega = TernGrad().omega(dim)
    worst = torch.full((dim,), 1 / (2 * (1 + omega)), dtype=torch.float64)
    worst[0] = 1.0
    assert _variance(worst) == pytest.approx(omega, rel=1e-12)
    for seed in range(50):
        assert _variance(_row(dim, seed) ** (1 + 2 * (seed % 3))) <= omega * (1 + 1e-12)


@pytest.mark.parametrize(("dim", "omega"), [(1, 0.0), (4, 0.5), (100, 4.5)])
def test_omega_is_half_of_the_root_less_one(dim, omega):
    assert TernGrad().omega(dim) == omega


def test_the_measured_variance_is_the_exact_one():
    draws, row = 20_000, _row(20)
    received = TernGrad().transmit(row.repeat(draws, 1), Key.of(3).spread(draws))[1]
    ratios = (received - row).double().square().sum(1) / row.double().square().sum()
    assert abs(float(ratios.mean()) - _variance(row)) < SIGMAS * float(ratios.std()) / draws**0.5


def test_it_receives_what_one_level_of_the_largest_value_receives():
    rows, key = torch.stack((_row(1000), torch.zeros(1000))), Key.of(1).spread(2)
    assert torch.equal(compress(TernGrad(), rows, key)[1], compress(QSGD(levels=1, norm="max"), rows, key)[1])


def test_the_largest_coordinate_and_zeros_are_kept():
    row = torch.tensor([[0.0, -3.0, 1.0, 0.0]])
    received = compress(TernGrad(), row, Key.of(0))[1][0]
    assert received[1] == -3
    assert received[2] in (0, 3)
    assert not received[[0, 3]].any()


class Blind(TernGrad):
    """The same, but the coder is told nothing of the draw."""

    def contexts(self, key, dim):
        return None


def test_what_both_ends_know_of_the_draw_saves_a_third_of_the_bytes():
    rows, key = _row(100_000)[None], Key.of(2)
    (frame,), _ = compress(TernGrad(), rows, key)
    (plain,), _ = compress(Blind(), rows, key)
    assert sizes(frame).total < 0.67 * sizes(plain).total
