"""RandK and TopK: what is kept, and what is refused."""

import pytest
import torch

from fedkd_compression import Key, OperatorError, RandK, TopK, compress, sizes


def test_rand_k_keeps_every_coordinate_equally_often():
    draws, dim, k = 20_000, 10, 3
    keys = Key.stack([Key.of(1, i) for i in range(draws)])
    _, received = RandK(k=k).transmit(torch.ones(draws, dim), keys)
    assert ((received != 0).sum(1) == k).all()
    assert torch.equal(received[received != 0].unique(), torch.tensor([dim / k]))
    kept = (received != 0).float().mean(0)
    assert (kept - k / dim).abs().max() < 5 * (k / dim * (1 - k / dim) / draws) ** 0.5


def test_rand_k_sends_values_only():
    (frame,), _ = compress(RandK(k=10), torch.randn(1, 1000), Key.of(0))
    assert sizes(frame).body == 40


def test_top_k_keeps_the_largest_and_of_equal_ones_the_first():
    row = torch.tensor([[1.0, -3.0, 2.0, -2.0, 0.5]])
    assert compress(TopK(k=2), row, Key.of(0))[1].tolist() == [[0.0, -3.0, 2.0, 0.0, 0.0]]


def test_top_k_reaches_its_bound_on_a_flat_row():
    received = compress(TopK(k=5), torch.ones(1, 20), Key.of(0))[1]
    assert float((received - 1).square().sum() / 20) == 1 - TopK(k=5).delta(20)


@pytest.mark.parametrize(
    ("fraction", "dim", "kept"), [(0.05, 1000, 50), (0.1, 30, 3), (0.01, 5, 1), (1.0, 7, 7), (0.5, 0, 0)]
)
def test_a_fraction_is_rounded_up(fraction, dim, kept):
    assert TopK(fraction=fraction).kept(Key.of(0), dim) == kept


def test_positions_of_one_percent_cost_about_eight_bits_each():
    row = torch.randn(1, 100_000, generator=torch.Generator().manual_seed(0))
    (frame,), _ = compress(TopK(fraction=0.01), row, Key.of(0))
    assert sizes(frame).body < 1000 * (4 + 8.2 / 8)


@pytest.mark.parametrize("operator", [RandK(k=30), TopK(k=30)], ids=repr)
def test_more_coordinates_than_there_are_is_refused(operator):
    with pytest.raises(OperatorError, match=f"{type(operator).__name__}: k=30 exceeds dim=20; choose k <= dim"):
        compress(operator, torch.zeros(1, 20), Key.of(0))


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandK(k=0),
        lambda: TopK(k=0),
        TopK,
        lambda: TopK(k=1, fraction=0.5),
        lambda: TopK(fraction=0.0),
        lambda: TopK(fraction=1.5),
    ],
)
def test_fields_out_of_range_are_refused(make):
    with pytest.raises(OperatorError, match="K: "):
        make()
