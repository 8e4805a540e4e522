"""The heads of a client's slots: what says which states there are, and guards them.

A head is round, sent, received (int64), which vectors are present (bit 0 uplink, bit 1 downlink, bit 2 the task's), the
checksum of the vectors, and the crc32 of all this and the client's number. A head of zeros is an empty slot.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

SPARE = 2
"""Slots beside those of the checkpoints: of the state before the round that runs, and of that which it makes."""
MOST = 12
"""Slots of which all heads fit into one sector, which no disk and no kill cuts in two."""
_HEAD = struct.Struct("<qqqII")
_CHECKED = struct.Struct(f"<{_HEAD.size}sI")
_EMPTY = bytes(_CHECKED.size)


class Head(NamedTuple):
    """What is known of a state without its vectors; ``present`` says which there are, in the order of a state."""

    round: int
    sent: int
    received: int
    present: tuple[bool, bool, bool]
    checksum: int


class DamagedHeadError(Exception):
    """A head is neither empty nor what was written for this client."""


def heads_bytes(slots: int) -> int:
    """Bytes of the heads of so many slots."""
    return slots * _CHECKED.size


def pack(heads: Sequence[Head | None], client: int) -> bytes:
    """All heads of a client as bytes."""
    return b"".join(_EMPTY if head is None else _pack(head, client) for head in heads)


def unpack(data: bytes, client: int) -> list[Head | None]:
    """The heads that ``pack`` wrote.

    Raises:
        DamagedHeadError: a checksum is wrong.
    """
    parts = (data[start : start + _CHECKED.size] for start in range(0, len(data), _CHECKED.size))
    return [None if part == _EMPTY else _unpack(part, client) for part in parts]


def _pack(head: Head, client: int) -> bytes:
    present = sum(there << place for place, there in enumerate(head.present))
    body = _HEAD.pack(head.round, head.sent, head.received, present, head.checksum)
    return _CHECKED.pack(body, zlib.crc32(body, client))


def _unpack(part: bytes, client: int) -> Head:
    body, crc = _CHECKED.unpack(part)
    if zlib.crc32(body, client) != crc:
        raise DamagedHeadError
    round_, sent, received, present, checksum = _HEAD.unpack(body)
    return Head(round_, sent, received, (bool(present & 1), bool(present & 2), bool(present & 4)), checksum)
