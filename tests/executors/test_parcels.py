"""A parcel comes back as it was; a head with one wrong byte is refused, whatever it says."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedkd.executors.parcels import FIXED, MOST, NOBODY, Kind, Parcel, read_head, tables_size
from fedkd_compression import WireError

WORD = st.integers(0, 2**32 - 1)
PARCELS = st.builds(
    Parcel,
    st.sampled_from(Kind),
    WORD,
    WORD,
    st.lists(st.floats(allow_nan=False), max_size=5).map(tuple),
    st.lists(st.binary(max_size=9), max_size=5).map(tuple),
)
PARCEL = Parcel(Kind.REPLY, 3, 7, (0.5, math.inf), (b"abc", b"", memoryview(b"de")))
COUNTS = struct.Struct("<II")


@settings(max_examples=200, deadline=None, derandomize=True)
@given(parcel=PARCELS)
def test_it_comes_back_as_it_was(parcel: Parcel) -> None:
    head = parcel.head()
    assert tables_size(head[:FIXED]) == len(head) - FIXED
    assert read_head(memoryview(head)).filled(parcel.parts) == parcel
    assert read_head(head).sizes == tuple(map(len, parcel.parts))


def test_a_number_that_is_none_comes_back() -> None:
    assert math.isnan(read_head(Parcel(Kind.METRICS, numbers=(math.nan,)).head()).numbers[0])


def test_head_has_24_bytes_and_8_for_each_number_and_part() -> None:
    assert (FIXED, len(Parcel(Kind.STOP).head()), len(PARCEL.head())) == (24, 24, 24 + 8 * 5)
    assert (PARCEL.size, Parcel(Kind.STOP).size, Parcel(Kind.STOP).client) == (5, 0, NOBODY)


def test_every_changed_bit_is_refused() -> None:
    head = PARCEL.head()
    for place in range(8 * len(head)):
        changed = bytearray(head)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(WireError, match="^parcel: "):
            read_head(changed)


def test_every_other_length_is_refused() -> None:
    head = PARCEL.head()
    for end in range(len(head)):
        with pytest.raises(WireError, match="^parcel: "):
            read_head(head[:end])
    with pytest.raises(WireError, match=f"a head of {len(head) + 1} bytes, not {len(head)}"):
        read_head(head + b"\0")


@pytest.mark.parametrize("counts", [(MOST + 1, 0), (0, MOST + 1), (2**32 - 1, 2**32 - 1)])
def test_tables_beyond_the_bound_are_refused_before_they_are_read(counts: tuple[int, int]) -> None:
    fixed = bytearray(Parcel(Kind.STOP).head())
    COUNTS.pack_into(fixed, FIXED - 12, *counts)
    with pytest.raises(WireError, match=f"{counts[0]} numbers and {counts[1]} parts, more than {MOST}"):
        tables_size(fixed)


@pytest.mark.parametrize("kind", [0, 11, 15, 24, 255])
def test_an_unknown_kind_is_refused_under_a_right_checksum(kind: int) -> None:
    class Unknown(int):
        """Packs as a kind."""

    with pytest.raises(WireError, match=f"parcel: kind {kind} is unknown"):
        read_head(Parcel(Unknown(kind)).head())  # type: ignore[arg-type]
