"""A client's state comes back bit for bit; damaged bytes, and those that ask for much, are refused."""

from __future__ import annotations

import struct
import zlib

import pytest
import torch

from fedkd import vectors
from fedkd.clients import ClientState
from fedkd.clients.packed import pack_state, unpack_state
from fedkd_compression import Identity, WireError
from fedkd_compression.body import Body
from fedkd_compression.codecs.choice import CONSTANT
from tests.fuzz import memory
from tests.fuzz.forge import forged, stream

HEAD = struct.Struct("<IIIIIQQQ")
VECTOR = torch.tensor([0.1, -0.0, 3e38], dtype=torch.float32)
STATES = {
    "empty": ClientState(),
    "uplink": ClientState(VECTOR, 4),
    "downlink": ClientState(None, 1, VECTOR.double() / 3, 2**32 - 1),
    "both": ClientState(VECTOR.double(), 3, -VECTOR.double(), 5),
    "task": ClientState(task=torch.arange(7.0)),
    "all": ClientState(VECTOR, 3, -VECTOR, 5, torch.arange(7.0)),
}


def same(a: torch.Tensor | None, b: torch.Tensor | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.dtype == b.dtype and a.numpy().tobytes() == b.numpy().tobytes()


@pytest.mark.parametrize("name", STATES)
def test_it_comes_back_bit_for_bit(name: str) -> None:
    state = STATES[name]
    client, after = unpack_state(memoryview(pack_state(2**32 - 1, state)))
    assert (client, after.sent, after.received) == (2**32 - 1, state.sent, state.received)
    assert same(after.uplink, state.uplink)
    assert same(after.downlink, state.downlink)
    assert same(after.task, state.task)


@pytest.mark.parametrize("name", STATES)
def test_every_changed_byte_and_every_other_length_is_refused(name: str) -> None:
    data = pack_state(3, STATES[name])
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 0x41
        for wrong in (changed, data[:place]):
            with pytest.raises(WireError):
                unpack_state(wrong)
    with pytest.raises(WireError, match=f"client state: {len(data) + 1} bytes, not {len(data)}"):
        unpack_state(data + b"\0")


def claiming(dim: int, frame: bytes) -> bytes:
    """A state whose head says another dimension, under a right checksum."""
    head = HEAD.pack(3, 1, 0, dim, 0, len(frame), 0, 0)
    return head + struct.pack("<I", zlib.crc32(head)) + frame


@pytest.mark.parametrize("dim", [0, 2, 4, 2**20, 2**32 - 1])
def test_another_dimension_than_the_vectors_is_refused(dim: int) -> None:
    with pytest.raises(WireError):
        unpack_state(claiming(dim, vectors.pack(VECTOR)))


def test_a_few_bytes_cannot_ask_for_much_memory() -> None:
    """The receiver believes the dimension; a frame of one constant symbol would then be as long as that."""
    dim = 1 << 25
    data = claiming(dim, forged(Identity(), dim, Body(symbols=stream(dim, bytes((CONSTANT, 2))))).frame)

    def refused() -> None:
        with pytest.raises(WireError, match=f"vector: dim={dim} in"):
            unpack_state(data)

    assert memory.traced(refused) < 1 << 16
