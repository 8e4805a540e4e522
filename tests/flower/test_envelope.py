"""Our messages in Flower's: exactly their bytes, and nothing but ours is read."""

from __future__ import annotations

import pytest
from flwr.app import Array, ArrayRecord, RecordDict

from fedkd.flower import envelope
from fedkd_compression import WireError

FOREIGN = [
    Array("float32", (1,), envelope.RAW, b"abcd"),
    Array("uint8", (4,), "numpy.ndarray", b"abcd"),
    Array("uint8", (3,), envelope.RAW, b"abcd"),
]


def test_an_array_has_exactly_the_bytes_of_a_message() -> None:
    content = envelope.enclose([b"first", memoryview(b""), b"third" * 100], {"round": 3})
    assert envelope.parts(content, envelope.MESSAGES) == (b"first", b"", b"third" * 100)
    (first, *_) = content.array_records[envelope.MESSAGES].values()
    assert (first.dtype, first.shape, first.data) == ("uint8", (5,), b"first")
    assert (envelope.number(content, "round"), envelope.notes(content)["round"]) == (3, 3)


def test_parts_come_in_order_also_above_ten() -> None:
    parts = [bytes([index]) for index in range(30)]
    assert envelope.parts(envelope.enclose(parts, {}), envelope.MESSAGES) == tuple(parts)


@pytest.mark.parametrize("array", FOREIGN)
def test_an_array_that_is_not_ours_is_refused(array: Array) -> None:
    with pytest.raises(WireError, match="not bytes of ours"):
        envelope.parts(RecordDict({"messages": ArrayRecord({"0": array})}), "messages")


def test_what_is_not_there_is_nothing_or_an_error() -> None:
    empty = RecordDict()
    assert (envelope.parts(empty, "messages"), dict(envelope.notes(empty))) == ((), {})
    with pytest.raises(WireError, match="None is not a whole number"):
        envelope.number(empty, "round")
