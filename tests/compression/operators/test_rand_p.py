"""RandP: who is kept, how often, and what that costs."""

import pytest
import torch

from fedkd_compression import Key, OperatorError, RandP, compress, decompress, decompress_sum, sizes

SIGMAS = 5


def test_every_coordinate_is_kept_equally_often_and_independently():
    draws, dim, probability = 1500, 10, 0.3
    key = Key.of(1)
    kept = torch.cat([compress(RandP(probability), torch.ones(1, dim), key.fold(i))[1] for i in range(draws)]) != 0
    spread = (probability * (1 - probability) / draws) ** 0.5
    assert (kept.double().mean(0) - probability).abs().max() < SIGMAS * spread
    both = kept.double().T @ kept.double() / draws
    off = both[~torch.eye(dim, dtype=torch.bool)]
    assert (off - probability**2).abs().max() < SIGMAS * (probability**2 * (1 - probability**2) / draws) ** 0.5


@pytest.mark.parametrize("dim", [0, 1, 7, 1000])
def test_as_many_values_are_sent_as_the_key_keeps(dim):
    operator, rows, key = RandP(probability=0.2), torch.ones(1, dim), Key.of(2, dim)
    (frame,), received = compress(operator, rows, key)
    assert operator.kept(key, dim) == int((received != 0).sum())
    assert sizes(frame).body == 4 * operator.kept(key, dim)
    assert torch.allclose(received[received != 0], torch.tensor(5.0), rtol=1e-6)


@pytest.mark.parametrize(("probability", "omega"), [(1.0, 0.0), (0.5, 1.0), (0.25, 3.0), (0.1, 9.0)])
def test_omega_is_one_over_the_probability_less_one(probability, omega):
    assert RandP(probability).omega(1000) == pytest.approx(omega, rel=1e-6)


def test_with_probability_one_everything_is_kept():
    rows = torch.randn(2, 100, generator=torch.Generator().manual_seed(0))
    assert torch.equal(compress(RandP(1.0), rows, Key.of(0).spread(2))[1], rows)


def test_a_probability_off_the_grid_is_unbiased_too():
    """The nearest multiple of 2^-24 is the probability, and it is its inverse that kept values are scaled by."""
    assert RandP(1.4 * 2.0**-24).omega(1) == 2.0**24 - 1


def test_rows_of_a_batch_keep_other_coordinates():
    keys = Key.of(3).spread(4)
    frames, received = compress(RandP(0.1), torch.ones(4, 200), keys)
    assert len({tuple(torch.nonzero(row)[:, 0].tolist()) for row in received}) == 4
    assert torch.equal(decompress(RandP(0.1), frames, keys, 200), received)


def test_a_sum_of_frames_is_the_sum_of_rows():
    key, rows = Key.of(4), torch.randn(3, 300, generator=torch.Generator().manual_seed(1)).double()
    sent = [compress(RandP(0.2), row[None], key) for row in rows]
    total = decompress_sum(RandP(0.2), [frames[0] for frames, _ in sent], key, 300, [1.0, -2.0, 0.5])
    expected = sent[0][1][0] - 2 * sent[1][1][0] + 0.5 * sent[2][1][0]
    assert torch.allclose(total, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("probability", [0.0, -0.1, 1.1, 2.0**-25, float("nan")])
def test_probabilities_out_of_range_are_refused(probability):
    with pytest.raises(OperatorError, match="RandP: probability="):
        RandP(probability)
