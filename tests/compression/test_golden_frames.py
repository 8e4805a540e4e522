"""Frames made today are the frames made before, and not one bit of them can change unnoticed."""

import json

import pytest
import torch

from fedkd_compression import WireError, compress, decompress, kernels, sizes
from tests.golden.frames.make import DIMS, FILE, OPERATORS, key_of, made, rows_of

GOLDEN = {name: bytes.fromhex(text) for name, text in json.loads(FILE.read_text()).items()}


def _parts(name):
    """Operator, dimension and key of a golden frame."""
    operator, size = name.rsplit("_", 1)
    return OPERATORS[operator], DIMS[size], key_of(operator)


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_frames_are_as_before(backend):
    with kernels.use(backend):
        assert {name: bytes.fromhex(text) for name, text in made().items()} == GOLDEN


@pytest.mark.parametrize("backend", ["numba", "numpy"])
@pytest.mark.parametrize("name", GOLDEN)
def test_frames_decode_to_what_the_sender_was_told(name, backend):
    operator, dim, key = _parts(name)
    with kernels.use(backend):
        assert torch.equal(decompress(operator, [GOLDEN[name]], key, dim), compress(operator, rows_of(dim), key)[1])


@pytest.mark.parametrize("name", GOLDEN)
def test_every_truncation_is_refused(name):
    operator, dim, key = _parts(name)
    for end in range(len(GOLDEN[name])):
        with pytest.raises(WireError):
            decompress(operator, [GOLDEN[name][:end]], key, dim)


@pytest.mark.parametrize("name", GOLDEN)
def test_every_flipped_bit_is_refused(name):
    operator, dim, key = _parts(name)
    frame = GOLDEN[name]
    for bit in range(8 * len(frame)):
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(WireError):
            decompress(operator, [bytes(damaged)], key, dim)


@pytest.mark.parametrize("name", GOLDEN)
def test_sizes_are_the_whole_frame(name):
    assert sizes(GOLDEN[name]).total == len(GOLDEN[name])


def test_a_dither_message_has_at_most_twenty_bytes_beside_its_body():
    found = sizes(GOLDEN["dither_long"])
    assert found.header + found.side <= 20
