"""Messages: what is packed is unpacked, every byte is accounted for, and no bytes do harm."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedkd.keys import EVERYONE
from fedkd.messages import Broadcast, Kind, Message
from fedkd_compression import Identity, Key, WireError, compress

U32 = st.integers(0, 2**32 - 1)
FLOATS = st.lists(st.floats(width=32, allow_nan=False), max_size=6).map(tuple)
HEADER = 32


def frame(dim: int = 5) -> bytes:
    return bytes(compress(Identity(), torch.arange(float(dim))[None], Key.of(0, "test"))[0][0])


MESSAGE = Message(Kind.REPLY, 9, 3, 2, 1, frame(), samples=10, numbers=(0.5, 2.0))


@given(st.sampled_from(list(Kind)), U32, U32, U32, U32, st.binary(max_size=40), U32, FLOATS)
@settings(max_examples=50, deadline=None)
def test_what_is_packed_is_unpacked(
    kind: Kind, run: int, round_: int, client: int, memory: int, body: bytes, samples: int, numbers: tuple[float, ...]
) -> None:
    message = Message(kind, run, round_, client, memory, body, samples, numbers)
    data = bytes(message.pack())
    assert len(data) == HEADER + 4 * len(numbers) + len(body)
    again = Message.unpack(data)
    assert bytes(again.pack()) == data
    assert (again.kind, again.round, again.client, again.numbers) == (kind, round_, client, numbers)


def test_the_layout_is_the_documented_one() -> None:
    data = MESSAGE.pack()
    assert struct.unpack_from("<2sBBIIIIII", data) == (b"fk", 1, Kind.REPLY, 9, 3, 2, 1, 10, 2)
    assert struct.unpack_from("<2f", data, HEADER) == (0.5, 2.0)
    assert bytes(data[HEADER + 8 :]) == frame()


def test_every_byte_is_accounted_for() -> None:
    sizes = MESSAGE.split()
    assert sizes.header + sizes.side + sizes.body == len(MESSAGE.pack())
    assert sizes.body == 4 * 5


TWO = replace(MESSAGE, beside=frame(3))


def test_a_second_frame_comes_back_and_costs_its_size_and_four_bytes() -> None:
    data = TWO.pack()
    again = Message.unpack(data)
    assert (bytes(again.beside), bytes(again.frame), again.numbers) == (TWO.beside, MESSAGE.frame, MESSAGE.numbers)
    assert again.kind is Kind.REPLY
    assert again.pack() == data
    assert len(data) == len(MESSAGE.pack()) + 4 + len(frame(3))


def test_without_a_second_frame_a_message_is_what_it_was() -> None:
    assert replace(TWO, beside=b"").pack() == MESSAGE.pack()


def test_every_byte_of_both_frames_is_accounted_for() -> None:
    sizes = TWO.split()
    assert sizes.header + sizes.side + sizes.body == len(TWO.pack())
    assert sizes.body == 4 * 5 + 4 * 3


def test_a_second_frame_that_is_cut_or_claims_more_than_there_is_is_refused() -> None:
    data = TWO.pack()
    place = HEADER + 8
    with pytest.raises(WireError, match="header damaged or cut off"):
        Message.unpack(data[:place] + struct.pack("<I", 1) + data[place + 4 :])
    with pytest.raises(WireError, match=f"a second frame of {len(frame(3))} bytes in {place + 9}"):
        Message.unpack(data[: place + 9])


@given(st.binary(max_size=80))
@settings(max_examples=200, deadline=None)
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        Message.unpack(data)


@pytest.mark.parametrize("position", range(HEADER + 8))
def test_a_changed_bit_in_header_or_numbers_is_noticed(position: int) -> None:
    data = bytearray(MESSAGE.pack())
    data[position] ^= 0x10
    with pytest.raises(WireError):
        Message.unpack(bytes(data))


@pytest.mark.parametrize("length", range(HEADER + 8))
def test_a_message_that_is_cut_off_is_refused(length: int) -> None:
    with pytest.raises(WireError):
        Message.unpack(MESSAGE.pack()[:length])


def test_an_unknown_kind_is_refused() -> None:
    strange = Message(99, 9, 3, 2, 1, b"")  # type: ignore[arg-type]
    with pytest.raises(WireError, match="kind 99 is unknown"):
        Message.unpack(strange.pack())


def test_a_huge_count_of_numbers_takes_no_memory() -> None:
    data = bytearray(MESSAGE.pack())
    struct.pack_into("<I", data, 24, 2**32 - 1)
    with pytest.raises(WireError):
        Message.unpack(bytes(data))


def test_a_broadcast_counts_shared_messages_once_and_others_each() -> None:
    broadcast = Broadcast(4, (0, 2, 5), (b"abc", b"de"), {2: (b"wxyz",), 5: (b"v", b"u")})
    assert broadcast.to(0) == (b"abc", b"de")
    assert broadcast.to(2) == (b"wxyz", b"abc", b"de")
    assert (broadcast.bytes_broadcast, broadcast.bytes_unicast) == (5, 6)
    assert EVERYONE not in broadcast.cohort
