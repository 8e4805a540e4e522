"""Any bytes at all give a tensor or WireError: random ones, and valid frames that were changed and sealed anew."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedkd_compression import (
    QSGD,
    Identity,
    Key,
    RandK,
    SubtractiveDither,
    TopK,
    WireError,
    compress,
    decompress,
    kernels,
)

DIM = 300
KEY = Key.of(2, "fuzz")
OPERATORS = {
    "identity": Identity(),
    "qsgd": QSGD(levels=4),
    "dither": SubtractiveDither(step=1.0),
    "fine": SubtractiveDither(step=0.004),
    "rand_k": RandK(k=7),
    "top_k": TopK(fraction=0.1),
}
HEAD = 4
SEALED = 8


def _sealed(frame: bytearray) -> bytes:
    """The frame with the checksum that it should have."""
    seed = int.from_bytes(frame[:HEAD], "little")
    value = kernels.backend().checksum(np.frombuffer(bytes(frame[SEALED:]), np.uint8), seed)
    frame[HEAD:SEALED] = value.to_bytes(4, "little")
    return bytes(frame)


def _decodes_or_refuses(operator, data):
    try:
        rows = decompress(operator, [data], KEY, DIM)
    except WireError:
        return
    assert rows.shape == (1, DIM)


def _frame(operator, heavy):
    row = torch.randn(1, DIM, generator=torch.Generator().manual_seed(3))
    return compress(operator, row**9 if heavy else row, KEY)[0][0]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(OPERATORS)), st.binary(max_size=400))
def test_random_bytes(name, data):
    _decodes_or_refuses(OPERATORS[name], data)
    if len(data) > SEALED:
        _decodes_or_refuses(OPERATORS[name], _sealed(bytearray(b"\xfc\x01" + data[2:])))


CHANGES = st.lists(st.tuples(st.integers(0, 2**32), st.integers(0, 255)), min_size=1, max_size=4)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(OPERATORS)), st.booleans(), CHANGES, st.integers(0, 2**32))
def test_valid_frames_with_changes_under_a_valid_checksum(name, heavy, changes, end):
    frame = bytearray(_frame(OPERATORS[name], heavy))
    for place, octet in changes:
        at = 2 + place % (len(frame) - 2)
        # Half of the changes go where the structure is: flags, counts, shapes and tables.
        frame[at if octet % 2 else 2 + place % min(len(frame) - 2, 40)] = octet
    del frame[len(frame) - end % 8 if end % 3 == 0 and end % 8 else len(frame) :]
    _decodes_or_refuses(OPERATORS[name], _sealed(frame))


@pytest.mark.parametrize("count", [2**20, 2**62])
def test_a_frame_cannot_ask_for_more_memory_than_its_receiver_expects(count):
    frame = bytearray(_frame(SubtractiveDither(step=1.0), heavy=False))
    size = 0x80
    written = bytearray()
    while count > 0x7F:
        written.append(count & 0x7F | size)
        count >>= 7
    written.append(count)
    # Fingerprint 2, dim 2, then the count of the side information.
    frame[12:13] = written
    with pytest.raises(WireError, match="too many|cut off"):
        decompress(SubtractiveDither(step=1.0), [_sealed(frame)], KEY, DIM)
