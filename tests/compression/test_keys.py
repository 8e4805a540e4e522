"""Keys: pinned values, independence of streams, and the distributions that operators rely on."""

import numpy as np
import pytest
import torch

from fedkd_compression import Key, OperatorError

COUNT = 200_000
SIGMAS = 5
PINNED_ROWS = (16589660862737708392,)
PINNED_WORDS = [2623653447, 3292040643, 3269002632, 2084048712]
PINNED_FOLD = (2005284138487955933,)


def test_streams_are_pinned():
    """Another value here would change every published number."""
    key = Key.of(7, "uplink", 3, -1)
    assert key.rows == PINNED_ROWS
    assert key.words(4)[0].tolist() == PINNED_WORDS
    assert key.fold("x", 0).rows == PINNED_FOLD


@pytest.mark.parametrize(
    ("one", "other"),
    [((1, 2), (1, "2")), ((1, "ab"), (1, "a", "b")), ((12,), (1, 2)), ((0,), (0, 0)), ((1, ""), (1,)), ((255,), (-1,))],
)
def test_other_paths_are_other_streams(one, other):
    assert Key.of(*one) != Key.of(*other)


def test_integers_of_numpy_are_integers():
    assert Key.of(np.int64(5), "a", np.uint8(3)) == Key.of(5, "a", 3)


def test_a_path_of_something_else_is_refused():
    with pytest.raises(OperatorError, match="neither int nor str"):
        Key.of(0, 1.5)


def test_fold_and_stack_work_row_by_row():
    keys = [Key.of(0, i) for i in range(3)]
    assert Key.stack(keys).fold("z") == Key.stack([key.fold("z") for key in keys])
    assert np.array_equal(Key.stack(keys).words(9), np.concatenate([key.words(9) for key in keys]))


def test_the_first_words_do_not_depend_on_the_count():
    key = Key.of(1)
    assert np.array_equal(key.words(1000)[:, :10], key.words(10))


def test_uniforms_are_multiples_of_two_to_the_minus_24_in_the_unit_interval():
    uniforms = Key.of(2).uniforms(COUNT)
    assert uniforms.dtype == torch.float32
    assert 0 <= uniforms.min() <= uniforms.max() < 1
    assert torch.equal(uniforms * 2**24, (uniforms * 2**24).round())


def test_dither_is_odd_multiples_of_two_to_the_minus_25():
    dither = Key.of(3).dither(COUNT).double() * 2**25
    assert dither.abs().max() < 2**24
    assert torch.equal(dither.remainder(2), torch.ones_like(dither))


@pytest.mark.parametrize("lag", [1, 2, 64])
def test_uniforms_have_the_moments_of_independent_uniforms(lag):
    u = Key.of(4, lag).uniforms(COUNT)[0].double() - 0.5
    tolerance = SIGMAS / COUNT**0.5
    assert abs(u.mean()) < tolerance / 12**0.5
    assert abs((u**2).mean() - 1 / 12) < tolerance * (1 / 180) ** 0.5
    assert abs((u[lag:] * u[:-lag]).mean()) < tolerance / 12


def test_every_bit_is_fair_and_pairs_of_bits_are_uncorrelated():
    count = COUNT // 10
    words = Key.of(5).words(count)[0]
    bits = (words[:, None] >> np.arange(32, dtype=np.uint32) & 1).astype(np.float64) - 0.5
    tolerance = SIGMAS / count**0.5
    assert np.abs(bits.mean(0)).max() < tolerance / 2
    products = bits.T @ bits / count
    assert np.abs(products - np.diag(np.diag(products))).max() < tolerance / 4


def test_streams_of_neighbouring_paths_are_uncorrelated():
    streams = Key.stack([Key.of(0, "client", i) for i in range(40)]).uniforms(5000).double() - 0.5
    products = streams @ streams.T / 5000 - torch.eye(40) / 12
    assert products.abs().max() < SIGMAS * 180**-0.5 / 5000**0.5


def test_permutation_is_uniform_over_orders():
    orders = [tuple(Key.of(6, i).permutation(3).tolist()) for i in range(6000)]
    counts = np.array([orders.count(order) for order in set(orders)])
    assert len(counts) == 6
    assert np.abs(counts - 1000).max() < SIGMAS * (6000 * 5 / 36) ** 0.5


def test_permutation_holds_every_index_once():
    order = Key.of(8).permutation(10_000)
    assert order.dtype == np.int64
    assert np.array_equal(np.sort(order), np.arange(10_000))


def test_generator_is_a_function_of_the_key():
    draws = [Key.of(9).generator().standard_normal(5) for _ in range(2)]
    assert np.array_equal(*draws)


@pytest.mark.parametrize("use", [lambda key: key.permutation(3), lambda key: key.generator()])
def test_one_row_is_needed_for_an_order(use):
    with pytest.raises(OperatorError, match="2 rows where one is needed"):
        use(Key.stack([Key.of(0), Key.of(1)]))


def test_a_negative_count_is_refused():
    with pytest.raises(OperatorError, match="count=-1"):
        Key.of(0).words(-1)
