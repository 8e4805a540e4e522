"""compress and decompress: every dtype, every awkward dimension, and what is refused."""

import math

import pytest
import torch

from fedkd_compression import (
    QSGD,
    Float16,
    Identity,
    Key,
    OperatorError,
    RandK,
    SubtractiveDither,
    TopK,
    WireError,
    compress,
    compress_in_pieces,
    decompress,
    sizes,
)

KEY = Key.of(1, "compressor")
ANY_DIM = (
    Identity(),
    Float16(),
    QSGD(levels=3),
    QSGD(levels=3, norm="max"),
    SubtractiveDither(step=1.0),
    TopK(fraction=0.5),
)
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def _row(dim, dtype=torch.float32):
    return torch.randn(1, dim, generator=torch.Generator().manual_seed(dim)).to(dtype)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("dim", [0, 1, 7, 20])
@pytest.mark.parametrize("operator", ANY_DIM, ids=repr)
def test_every_dtype_and_dimension_comes_back(operator, dim, dtype):
    rows = _row(dim, dtype)
    frames, received = compress(operator, rows, KEY)
    decoded = decompress(operator, frames, KEY, dim)
    assert decoded.dtype == received.dtype == dtype
    assert decoded.shape == (1, dim)
    assert torch.equal(decoded, received)
    assert sizes(frames[0]).total == len(frames[0])


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_identity_sends_each_coordinate_in_its_own_width(dtype):
    rows = _row(50, dtype)
    frames, received = compress(Identity(), rows, KEY)
    assert sizes(frames[0]).body == 50 * dtype.itemsize
    assert received is rows


@pytest.mark.parametrize("special", [-0.0, 1e-45, -3.4e38, 2.0**-126])
def test_identity_keeps_every_bit(special):
    rows = torch.full((1, 3), special)
    decoded = decompress(Identity(), compress(Identity(), rows, KEY)[0], KEY, 3)
    assert torch.equal(decoded.view(torch.int32), rows.view(torch.int32))


@pytest.mark.parametrize("operator", [*ANY_DIM, RandK(k=2)], ids=repr)
def test_strides_do_not_matter(operator):
    wide = torch.randn(20, 6, generator=torch.Generator().manual_seed(2))
    keys = Key.stack([KEY, KEY.fold(1)])
    strided = wide[:, ::3].T
    assert not strided.is_contiguous()
    frames, received = compress(operator, strided, keys)
    same_frames, same = compress(operator, strided.contiguous(), keys)
    assert frames == same_frames
    assert torch.equal(received, same)


@pytest.mark.parametrize("scale", [1e-45, 1e-40, 1e-38, 1e37])
@pytest.mark.parametrize(
    "operator", [SubtractiveDither(step=1.0), QSGD(levels=4), QSGD(levels=4, norm="max")], ids=repr
)
def test_denormal_and_huge_rows_stay_finite(operator, scale):
    rows = _row(20) * scale
    received = compress(operator, rows, KEY)[1]
    assert torch.isfinite(received).all()
    assert received.abs().max() <= 100 * max(float(rows.abs().max()), 2.0**-126)


@pytest.mark.parametrize("operator", [SubtractiveDither(step=4.0), QSGD(levels=1), RandK(k=1)], ids=repr)
def test_rows_whose_decoding_would_overflow_are_refused(operator):
    with pytest.raises(OperatorError, match="scale the rows down"):
        compress(operator, torch.full((1, 20), 3.3e38), KEY)


def test_a_half_row_whose_decoding_would_overflow_is_refused():
    with pytest.raises(OperatorError, match="exceed torch.float16"):
        compress(RandK(k=1), torch.full((1, 20), 6e4, dtype=torch.float16), KEY)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (torch.zeros(3), r"rows \(3,\)"),
        (torch.zeros(2, 3), "key of 1 rows"),
        (torch.zeros(1, 3, dtype=torch.int32), "dtype int32"),
        (torch.zeros(1, 3, dtype=torch.complex64), "dtype complex64"),
        (torch.tensor([[math.nan]]), "NaN"),
    ],
)
def test_rows_that_are_no_rows_are_refused(rows, message):
    with pytest.raises(OperatorError, match=message):
        compress(Identity(), rows, KEY)


def test_no_rows_give_no_frames():
    frames, received = compress(SubtractiveDither(step=1.0), torch.zeros(0, 5), Key(()))
    assert frames == []
    assert received.shape == decompress(SubtractiveDither(step=1.0), [], Key(()), 5).shape == (0, 5)


@pytest.mark.parametrize(
    ("operator", "dim", "message"),
    [
        (SubtractiveDither(step=1.5), 20, "another operator"),
        (QSGD(levels=3), 20, "another operator"),
        (SubtractiveDither(step=1.0), 21, "dim=20 where dim=21"),
    ],
)
def test_a_frame_for_someone_else_is_refused(operator, dim, message):
    frames, _ = compress(SubtractiveDither(step=1.0), _row(20), KEY)
    with pytest.raises(WireError, match=message):
        decompress(operator, frames, KEY, dim)


def test_as_many_frames_as_rows_of_the_key():
    frames, _ = compress(Identity(), _row(4), KEY)
    with pytest.raises(WireError, match="1 for a key of 2 rows"):
        decompress(Identity(), frames, Key.stack([KEY, KEY]), 4)


def test_rows_of_one_batch_have_one_dtype():
    frames = [compress(Identity(), _row(4, dtype), KEY)[0][0] for dtype in (torch.float32, torch.float64)]
    with pytest.raises(WireError, match="differ in dtype"):
        decompress(Identity(), frames, Key.stack([KEY, KEY]), 4)


def test_rows_that_require_gradients_are_sent_without_them():
    received = compress(SubtractiveDither(step=1.0), _row(5).requires_grad_(), KEY)[1]
    assert not received.requires_grad


@pytest.mark.parametrize("start", [0, 1, 2, 5])
def test_a_frame_may_be_part_of_a_larger_buffer(start):
    rows = _row(500)
    (frame,), received = compress(SubtractiveDither(step=1.0), rows, KEY)
    whole = memoryview(b"x" * start + frame + b"yz")
    part = whole[start : start + len(frame)]
    assert torch.equal(decompress(SubtractiveDither(step=1.0), [part], KEY, 500), received)
    assert sizes(part) == sizes(frame)


@pytest.mark.parametrize("operator", ANY_DIM, ids=repr)
def test_pieces_joined_are_the_frame(operator):
    rows = _row(1000)
    (pieces,), received = compress_in_pieces(operator, rows, KEY)
    (frame,), expected = compress(operator, rows, KEY)
    assert b"".join(pieces) == frame
    assert torch.equal(received, expected)


def test_the_last_piece_of_an_identity_is_the_row():
    rows = _row(1000)
    (pieces,), _ = compress_in_pieces(Identity(), rows, KEY)
    assert torch.frombuffer(pieces[-1], dtype=torch.float32).data_ptr() == rows.data_ptr()


def _lent(start, writable=True):
    """A frame that begins so many bytes after an aligned one, and its row, decoded where it lies if that can be."""
    (frame,), _ = compress(Identity(), _row(1000), KEY)
    buffer = bytearray(64 + start) + bytearray(frame)
    at = memoryview(buffer if writable else bytes(buffer))[64 + start :]
    return buffer, decompress(Identity(), [at], KEY, 1000, lent=True)


def test_lent_values_are_the_memory_of_the_frame_where_they_lie_aligned():
    shared = []
    for start in range(4):
        buffer, row = _lent(start)
        assert torch.equal(row, _row(1000))
        begin = torch.frombuffer(buffer, dtype=torch.uint8).data_ptr()
        shared.append(begin <= row.data_ptr() < begin + len(buffer))
    assert shared.count(True) == 1
    assert not decompress(Identity(), [bytes(buffer[64 + 3 :])], KEY, 1000).data_ptr() % 4


@pytest.mark.parametrize("start", range(4))
def test_what_may_not_be_written_is_copied(start):
    _, row = _lent(start, writable=False)
    row[0, 0] = 7.0
    assert torch.equal(row[:, 1:], _row(1000)[:, 1:])


def test_nothing_is_lent_unless_asked_for():
    (frame,), _ = compress(Identity(), _row(1000), KEY)
    for start in range(4):
        buffer = bytearray(start) + bytearray(frame)
        row = decompress(Identity(), [memoryview(buffer)[start:]], KEY, 1000)
        buffer[:] = bytes(len(buffer))
        assert torch.equal(row, _row(1000))
