"""Parcels: what travels between the server's process and a worker's, over a socket or over MPI.

Layout, little endian; the head goes first, then every part by itself:

    magic 2 | version 1 | kind 1 | round 4 | client 4 | numbers 4 (count) | parts 4 (count) | checksum 4
    numbers 8 each (float64) | sizes of the parts 8 each | the parts

The checksum is that of the rest of the head. A part is in a format that checks itself: a message, a packed sum,
a packed state, a text. Nothing is pickled.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from fedkd_compression import WireError

MAGIC = b"fp"
VERSION = 1
NOBODY = 0xFFFFFFFF
"""The client number of a parcel that concerns none."""
_FIXED = struct.Struct("<2sBBIIIII")
FIXED = _FIXED.size
"""Bytes of the head before its tables."""
MOST = 1 << 20
"""Numbers, and parts, that one parcel may have."""


class Kind(IntEnum):
    """Orders of the server, and what a worker answers to each."""

    START = 1
    """Order: a job's resolved values, for a process that did not inherit them. Answer: READY."""
    ROUND = 2
    """Order without answer: a round begins, after a checkpoint of the round in numbers; parts: messages to all."""
    TRAIN = 3
    """Order: train clients; numbers: each, and how many of the parts are messages to it. Answers: a REPLY of each."""
    SUM = 4
    """Order: what do this round's updates of yours add up to? Answer: SUMMED."""
    EVALUATE = 5
    """Order: how good is this model? Answer: METRICS."""
    COMMIT = 6
    """Order: make the clients' states before this round durable. Answer: COMMITTED, with states kept in memory, and in
    numbers what predictions of the store have cost."""
    RESTORE = 7
    """Order without answer: take these clients' states."""
    STOP = 8
    """Order without answer: the job is over."""
    GIVE = 9
    """Order: these clients move away; numbers: who. Answer: GIVEN, with their states, packed."""
    TAKE = 10
    """Order: these clients' states, packed, are yours from now on. Answer: TAKEN."""
    READY = 16
    REPLY = 17
    SUMMED = 18
    METRICS = 19
    COMMITTED = 20
    FAILED = 21
    """Answer to any order: the text says what went wrong."""
    GIVEN = 22
    TAKEN = 23


_KINDS = frozenset(Kind)


class Head(NamedTuple):
    """A parcel without its parts: their sizes instead."""

    kind: Kind
    round: int
    client: int
    numbers: tuple[float, ...]
    sizes: tuple[int, ...]

    def filled(self, parts: tuple[bytes | memoryview, ...]) -> Parcel:
        """The parcel, once its parts have arrived."""
        return Parcel(self.kind, self.round, self.client, self.numbers, parts)


@dataclass(frozen=True)
class Parcel:
    """One order or answer.

    Args:
        round: that it concerns.
        client: that it concerns, or ``NOBODY``.
        numbers: stop-watches, metrics; float64.
        parts: of any size each; they are sent as they lie in memory.
    """

    kind: Kind
    round: int = 0
    client: int = NOBODY
    numbers: tuple[float, ...] = ()
    parts: tuple[bytes | memoryview, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of the parts."""
        return sum(map(len, self.parts))

    def head(self) -> bytes:
        """What travels first: everything but the parts, and their sizes."""
        tables = struct.pack(f"<{len(self.numbers)}d{len(self.parts)}Q", *self.numbers, *map(len, self.parts))
        fields = (MAGIC, VERSION, self.kind, self.round, self.client, len(self.numbers), len(self.parts))
        checksum = zlib.crc32(tables, zlib.crc32(_FIXED.pack(*fields, 0)))
        return _FIXED.pack(*fields, checksum) + tables


def tables_size(fixed: bytes | memoryview) -> int:
    """Bytes of a head that follow its first ``FIXED`` ones.

    Raises:
        WireError: these are no head.
    """
    if len(fixed) < FIXED:
        raise WireError(f"parcel: {len(fixed)} bytes, fewer than its head of {FIXED}")
    magic, version, _, _, _, numbers, parts, _ = _FIXED.unpack_from(fixed)
    if (magic, version) != (MAGIC, VERSION):
        raise WireError(f"parcel: starts with {bytes(fixed[:3])!r}, not with {MAGIC!r} and version {VERSION}")
    if max(numbers, parts) > MOST:
        raise WireError(f"parcel: {numbers} numbers and {parts} parts, more than {MOST}")
    return 8 * int(numbers + parts)


def parts_count(fixed: bytes | memoryview) -> int:
    """Parts of the parcel whose head begins so, as ``tables_size`` has found it to be one."""
    return int(_FIXED.unpack_from(fixed)[6])


def read_head(head: bytes | memoryview) -> Head:
    """A parcel's head from its bytes; any bytes give a head or WireError."""
    tables = tables_size(head)
    if len(head) != FIXED + tables:
        raise WireError(f"parcel: a head of {len(head)} bytes, not {FIXED + tables}")
    *fields, numbers, parts, checksum = _FIXED.unpack_from(head)
    if zlib.crc32(head[FIXED:], zlib.crc32(_FIXED.pack(*fields, numbers, parts, 0))) != checksum:
        raise WireError("parcel: head damaged")
    _, _, kind, round_, client = fields
    if kind not in _KINDS:
        raise WireError(f"parcel: kind {kind} is unknown")
    values = struct.unpack_from(f"<{numbers}d{parts}Q", head, FIXED)
    return Head(Kind(kind), round_, client, values[:numbers], values[numbers:])
