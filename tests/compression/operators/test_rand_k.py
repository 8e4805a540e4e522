"""RandK on long rows, where positions are drawn one by one."""

import pytest
import torch

from fedkd_compression import Key, RandK, compress, decompress, kernels

SIGMAS = 5
DIM = 1 << 15


def _kept(k, key, dim=DIM):
    return torch.nonzero(compress(RandK(k=k), torch.ones(1, dim), key)[1][0])[:, 0]


def test_every_position_is_drawn_equally_often():
    draws, k, cells = 400, 500, 64
    found = torch.cat([_kept(k, Key.of(1, i)) for i in range(draws)])
    assert len(found) == draws * k
    counts = torch.histc(found.double(), cells, 0, DIM)
    # A cell's count is a sum of draws of k without replacement: its variance is below the binomial one.
    assert (counts - draws * k / cells).abs().max() < SIGMAS * (draws * k / cells) ** 0.5


def test_two_positions_are_kept_together_as_often_as_in_a_uniform_subset():
    """Of a uniform subset, the number of kept pairs (2 i, 2 i + 1) is (dim/2) k (k - 1)/(dim (dim - 1))."""
    draws, k = 600, DIM // 64
    pairs = []
    for i in range(draws):
        kept = torch.zeros(DIM, dtype=torch.bool)
        kept[_kept(k, Key.of(2, i))] = True
        pairs.append(float((kept[::2] & kept[1::2]).sum()))
    measured = torch.tensor(pairs)
    expected = k * (k - 1) / (2 * (DIM - 1))
    assert abs(float(measured.mean()) - expected) < SIGMAS * float(measured.std()) / draws**0.5


@pytest.mark.parametrize("dim", [DIM - 1, DIM, DIM + 1, 100_003])
@pytest.mark.parametrize("share", [1, 40])
def test_exactly_k_are_kept_on_both_sides_of_the_bound(dim, share):
    for k in (dim // 64 // share, dim // 64 // share + 1):
        assert len(_kept(k, Key.of(3), dim)) == k


def test_all_kernels_draw_the_same_and_decode_it():
    row, key = torch.randn(1, DIM, generator=torch.Generator().manual_seed(0)), Key.of(4)
    frames, received = compress(RandK(k=100), row, key)
    for name in ("numpy", "numba"):
        with kernels.use(name):
            assert compress(RandK(k=100), row, key)[0] == frames
            assert torch.equal(decompress(RandK(k=100), frames, key, DIM), received)
    assert torch.equal(received[received != 0], row[received != 0] * (DIM / 100))


def test_rows_of_a_batch_draw_for_themselves():
    keys = Key.of(5).spread(3)
    rows = torch.ones(3, DIM)
    received = compress(RandK(k=50), rows, keys)[1]
    for i in range(3):
        assert torch.equal(torch.nonzero(received[i])[:, 0], _kept(50, keys.row(i)))
