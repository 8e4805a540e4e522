"""Frames made today are the frames made before, and not one bit of them can change unnoticed."""

import json

import pytest
import torch

from fedkd_compression import WireError, compress, decompress, kernels, sizes
from tests.golden.frames.make import FILE, made, parts, rows_of
from tests.laws.table import OPERATORS

GOLDEN = {name: bytes.fromhex(text) for name, text in json.loads(FILE.read_text()).items()}
BACKENDS = [name for name in kernels.available() if name != "triton"]
OF_LAPACK = ("energy_svd",)
"""Singular vectors are LAPACK's, whose last bits differ among machines; their frames are read alike everywhere."""


def test_every_operator_has_frames():
    assert {name.rsplit("-", 1)[0] for name in GOLDEN} == set(OPERATORS)
    assert len(GOLDEN) >= 30


@pytest.mark.parametrize("backend", BACKENDS)
def test_frames_are_as_before(backend):
    with kernels.use(backend):
        found = {name: bytes.fromhex(text) for name, text in made().items() if not name.startswith(OF_LAPACK)}
    assert found == {name: frame for name, frame in GOLDEN.items() if not name.startswith(OF_LAPACK)}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", GOLDEN)
def test_frames_decode_to_what_the_sender_was_told(name, backend):
    operator, key, dim = parts(name)
    with kernels.use(backend):
        decoded, told = decompress(operator, [GOLDEN[name]], key, dim), compress(operator, rows_of(dim), key)[1]
    assert torch.allclose(decoded, told, atol=1e-5) if name.startswith(OF_LAPACK) else torch.equal(decoded, told)


@pytest.mark.parametrize("name", GOLDEN)
def test_every_truncation_is_refused(name):
    operator, key, dim = parts(name)
    taken = [end for end in range(len(GOLDEN[name])) if _is_taken(operator, GOLDEN[name][:end], key, dim)]
    assert taken == []


@pytest.mark.parametrize("name", GOLDEN)
def test_every_flipped_bit_is_refused(name):
    operator, key, dim = parts(name)
    taken = []
    for bit in range(8 * len(GOLDEN[name])):
        damaged = bytearray(GOLDEN[name])
        damaged[bit // 8] ^= 1 << bit % 8
        if _is_taken(operator, bytes(damaged), key, dim):
            taken.append(bit)
    assert taken == []


@pytest.mark.parametrize("name", GOLDEN)
def test_sizes_are_the_whole_frame(name):
    assert sizes(GOLDEN[name]).total == len(GOLDEN[name])


def test_a_dither_message_has_at_most_twenty_bytes_beside_its_body():
    found = sizes(GOLDEN["dither-600"])
    assert found.header + found.side <= 20


def _is_taken(operator, data, key, dim):
    try:
        decompress(operator, [data], key, dim)
    except WireError:
        return False
    return True
