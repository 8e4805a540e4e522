"""Coded: a model that both ends have, and Zstandard where both ends have it."""

import pytest
import torch

from fedkd_compression import (
    QSGD,
    Bucketed,
    Coded,
    Compose,
    Identity,
    Key,
    OperatorError,
    RandK,
    StaticModel,
    SubtractiveDither,
    WireError,
    compress,
    decompress,
)
from fedkd_compression.codecs import zstd

KEY = Key.of(7, "coded")


def _row(dim: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(1, dim, generator=torch.Generator().manual_seed(seed))


def _two_peaks(dim: int, seed: int) -> torch.Tensor:
    """Rows that are near -1 or near 1: no family of tables fits them."""
    return torch.where(_row(dim, seed) < 0, -1, 1) + 0.1 * _row(dim, seed + 1)


def _fitted(operator):
    return Coded.fitted(operator, _two_peaks(5000, 20), KEY)


@pytest.mark.parametrize("operator", [QSGD(levels=40, norm="max"), SubtractiveDither(step=0.1)], ids=repr)
def test_a_shared_model_makes_short_messages_shorter(operator):
    rows, key = _two_peaks(300, 30), Key.of(8)
    plain, known = (compress(own, rows, key) for own in (operator, _fitted(operator)))
    assert torch.equal(plain[1], known[1])
    assert len(known[0][0]) < len(plain[0][0])
    assert torch.equal(decompress(_fitted(operator), known[0], key, 300), known[1])


def test_symbols_that_the_model_lacks_are_sent_all_the_same():
    operator, rows = _fitted(SubtractiveDither(step=0.3)), torch.zeros(1, 300)
    rows[0, 3] = 1e6
    frames, received = compress(operator, rows, KEY)
    assert torch.equal(decompress(operator, frames, KEY, 300), received)


def test_a_receiver_without_the_model_refuses():
    frames, _ = compress(_fitted(QSGD(levels=4)), _row(300), KEY)
    for other in (QSGD(levels=4), Coded(QSGD(levels=4)), Coded.fitted(QSGD(levels=4), _row(300, 9), KEY)):
        with pytest.raises(WireError, match="made by another operator"):
            decompress(other, frames, KEY, 300)


def test_the_model_travels_as_a_text():
    operator = _fitted(QSGD(levels=4))
    assert operator.model is not None
    assert Coded(QSGD(levels=4), StaticModel(operator.model.text)) == operator


@pytest.mark.parametrize(
    "wrap",
    [lambda inner: Bucketed(inner, size=50), lambda inner: Compose(RandK(k=100), inner)],
    ids=["buckets", "child"],
)
def test_the_model_is_used_inside_other_wrappers(wrap):
    rows = _two_peaks(300, 40)
    plain, known = QSGD(levels=40), _fitted(QSGD(levels=40))
    sizes = [len(compress(wrap(operator), rows, KEY)[0][0]) for operator in (plain, known)]
    assert sizes[1] <= sizes[0]
    frames, received = compress(wrap(known), rows, KEY)
    assert torch.equal(decompress(wrap(known), frames, KEY, 300), received)


@pytest.mark.skipif(not zstd.available(), reason="this installation has no Zstandard")
def test_zstandard_finds_repetitions():
    rows = torch.tensor([3.0, -1.0, 0.0, 2.0, 1.0, -3.0, 2.0, 0.5]).repeat(4096)[None]
    plain, asked = (compress(Coded(QSGD(levels=6, norm="max"), zstd=zstd_too), rows, KEY) for zstd_too in (False, True))
    assert len(asked[0][0]) <= len(plain[0][0])
    assert torch.equal(decompress(Coded(QSGD(levels=6, norm="max"), zstd=True), asked[0], KEY, rows.shape[1]), asked[1])


def test_an_operator_without_symbols_has_no_model():
    with pytest.raises(OperatorError, match="has no symbols; choose a quantiser"):
        Coded.fitted(Identity(), _row(10), KEY)
