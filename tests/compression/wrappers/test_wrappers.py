"""Wrappers: what each does to what is inside; the laws are in tests/laws."""

import pytest
import torch

from fedkd_compression import (
    QSGD,
    Bucketed,
    BySize,
    Clipped,
    Compose,
    DeadZone,
    EnergySVD,
    Identity,
    Induced,
    Key,
    LowRank,
    Named,
    OperatorError,
    PerTensor,
    RandK,
    Rotated,
    Scaled,
    Sign,
    SubtractiveDither,
    TopK,
    compress,
    decompress,
    sizes,
)

KEY = Key.of(4, "wrappers")
DITHER = SubtractiveDither(step=1.0)


def _row(dim: int) -> torch.Tensor:
    return torch.randn(1, dim, generator=torch.Generator().manual_seed(dim))


def test_buckets_have_scales_of_their_own():
    rows = torch.cat((torch.full((1, 8), 1e-3), torch.full((1, 8), 1e3)), 1)
    received = compress(Bucketed(QSGD(levels=100), size=8), rows, KEY)[1]
    assert ((received - rows).abs() <= 0.02 * rows).all()
    (frame,), _ = compress(Bucketed(QSGD(levels=100), size=8), rows, KEY)
    assert sizes(frame).side == 8


def test_omega_of_buckets_does_not_grow():
    assert Bucketed(QSGD(levels=4), size=512).omega(512 * 1000) == QSGD(levels=4).omega(512)


@pytest.mark.parametrize("dim", [1, 7, 8, 9, 100])
def test_buckets_are_of_nearly_one_size(dim):
    code = Bucketed(TopK(fraction=1.0), size=8).encode(_row(dim), KEY)
    assert code.values is not None
    assert dim <= code.values.shape[1] < dim + -(-dim // 8)


def test_a_composition_sends_positions_and_few_bits_a_value():
    rows = _row(100_000)
    (top,), _ = compress(TopK(fraction=0.01), rows, KEY)
    (both,), received = compress(Compose(TopK(fraction=0.01), DeadZone(step=0.25)), rows, KEY)
    assert len(both) < 0.4 * len(top)
    kept = compress(TopK(fraction=0.01), rows, KEY)[1] != 0
    assert torch.equal(received != 0, kept)


def test_scaling_shrinks_by_one_plus_omega():
    plain = compress(RandK(k=5), _row(20), KEY)[1]
    torch.testing.assert_close(compress(Scaled(RandK(k=5)), _row(20), KEY)[1], plain / 4)


def test_an_induced_operator_sends_what_the_first_loses():
    rows = _row(50)
    received = compress(Induced(TopK(k=10), RandK(k=40)), rows, KEY)[1]
    kept = compress(TopK(k=10), rows, KEY)[1] != 0
    torch.testing.assert_close(received[kept], rows[kept])


def test_clipping_cuts_at_its_limit():
    rows = torch.ones(1, 100)
    rows[0, 0] = -50.0
    received = compress(Clipped(TopK(fraction=1.0), limit=2.0), rows, KEY)[1]
    rms = float(rows.square().mean().sqrt())
    assert float(received[0, 0]) == pytest.approx(-2 * rms, rel=1e-6)
    assert torch.equal(received[0, 1:], rows[0, 1:])


def test_a_rotation_tames_the_largest_coordinate():
    rows = _row(4096)
    rows[0, 0] = 100.0

    def error(operator):
        return float((compress(operator, rows, KEY)[1] - rows).square().sum() / rows.square().sum())

    plain = QSGD(levels=4, norm="max")
    assert plain.omega(4096) == Rotated(plain).omega(4096)
    assert error(Rotated(plain)) < error(plain) / 10


def test_size_decides():
    operator = BySize(small=Identity(), large=Sign(), limit=10)
    assert torch.equal(compress(operator, _row(9), KEY)[1], _row(9))
    assert len(compress(operator, _row(10), KEY)[1].abs().unique()) == 1


TENSORS = (Named("conv.weight", (4, 3, 2)), Named("conv.bias", (4,)), Named("head.weight", (6, 5)))


def test_each_tensor_goes_through_the_operator_that_its_name_matches():
    operator = PerTensor({"*.bias": Identity(), "head.*": LowRank(rank=1), "*": DITHER}).shaped(TENSORS)
    rows = _row(58)
    frames, received = compress(operator, rows, KEY)
    assert torch.equal(received[:, 24:28], rows[:, 24:28])
    assert int(torch.linalg.matrix_rank(received[0, 28:].reshape(6, 5))) == 1
    assert torch.equal(decompress(operator, frames, KEY, 58), received)


def test_another_layout_is_another_operator():
    one = PerTensor({"*": DITHER}).shaped(TENSORS)
    other = PerTensor({"*": DITHER}).shaped(TENSORS[::-1])
    frames, _ = compress(one, _row(58), KEY)
    with pytest.raises(ValueError, match="another operator"):
        decompress(other, frames, KEY, 58)


def test_omega_is_the_largest_and_delta_the_smallest_of_the_tensors():
    operator = PerTensor({"*.bias": Identity(), "*": QSGD(levels=1)}).shaped(TENSORS)
    assert operator.omega(58) == QSGD(levels=1).omega(30)
    assert PerTensor({"*": TopK(k=2)}).shaped(TENSORS).delta(58) == 2 / 30


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Bucketed(DITHER, size=0), "Bucketed: size=0 is below 1"),
        (lambda: Bucketed(EnergySVD(energy=0.9), size=8), "vary in size"),
        (lambda: Bucketed(Bucketed(DITHER, 4), size=8), "has buckets already"),
        (lambda: Compose(DITHER, DITHER), "is no sparsifier; choose TopK"),
        (lambda: Scaled(TopK(k=1)), "Scaled: .* is biased"),
        (lambda: Induced(TopK(k=1), TopK(k=1)), "Induced: .* is biased"),
        (lambda: Clipped(DITHER, limit=0.0), "Clipped: limit=0.0 is not above 0"),
        (lambda: Rotated(DITHER, block=3), "Rotated: block=3 is no power of two"),
        (lambda: BySize(DITHER, DITHER, limit=-1), "BySize: limit=-1 is below 0"),
        (lambda: PerTensor({}), "PerTensor: 0 operators"),
        (lambda: PerTensor({"head.*": DITHER}).shaped(TENSORS), "no pattern matches 'conv.weight'"),
        (lambda: compress(PerTensor({"*": DITHER}), _row(5), KEY), "call shaped"),
        (
            lambda: compress(PerTensor({"*": DITHER}).shaped(TENSORS), _row(5), KEY),
            "tensors of 58 coordinates for dim=5",
        ),
        (lambda: Compose(TopK(k=9), DITHER).check(8), "k=9 exceeds dim=8"),
    ],
)
def test_what_cannot_work_is_refused(make, words):
    with pytest.raises(OperatorError, match=words):
        make()
