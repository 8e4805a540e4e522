"""Messages: a versioned header, a client's numbers, and one frame of the compression library.

Layout, little endian, 32 bytes before the numbers:

    magic 2 | version 1 | kind 1 | run 4 | round 4 | client 4 | memory version 4 | samples 4 |
    numbers 4 (count) | checksum 4 (of header and numbers) | numbers 4 each (float32) | frame (checked by itself)

Where a second frame travels beside the first, the highest bit of the kind says so, and between numbers and frame there
are its size in bytes (4, under the checksum) and the frame.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from fedkd_compression import Sizes, WireError, sizes

MAGIC = b"fk"
VERSION = 1
_HEADER = struct.Struct("<2sBBIIIIIII")
_CHECKED = struct.Struct("<2sBBIIIIII")
_SIZE = struct.Struct("<I")
_TWO = 0x80
"""Of a kind: two frames."""


class Kind(IntEnum):
    """What a message does at its receiver."""

    FULL = 1
    """The memory (or the model) itself, uncompressed, and its version."""
    CHANGE = 2
    """A compressed change against a version of the memory."""
    REPLY = 3
    """A client's compressed update."""
    RESTART = 4
    """Without a frame: forget what this run has left with you; what follows starts you anew."""
    LOST = 5
    """Without a frame, a client's: I do not hold the memory that your message changes."""
    BESIDE = 6
    """A vector for everyone that is not the model, and does not outlive the round."""
    UNDO = 7
    """Without a frame, the server's: your last update did not count; go back to this version of your memories."""
    FAILED = 8
    """Without a frame, a client's: there is no update, and my memories are what they were."""


_KINDS = frozenset(Kind)


@dataclass(frozen=True)
class Message:
    """One message; its size is what is reported.

    Args:
        memory: version of the memory that the frame was made against; of a client's own memories it is the number
            of rounds that were over when the memory was made, 0 without one.
        samples: number of samples behind a client's update, its weight.
        numbers: what a client reports, in the order of its task's ``metrics`` (float32).
        beside: a frame of what a client sends beside its update, or nothing.
    """

    kind: Kind
    run: int
    round: int
    client: int
    memory: int
    frame: bytes | memoryview
    samples: int = 0
    numbers: tuple[float, ...] = ()
    beside: bytes | memoryview = b""

    def pack(self, frame: tuple[bytes | memoryview, ...] = ()) -> bytes:
        """The bytes that travel; the frame may be given in pieces instead."""
        table = struct.pack(f"<{len(self.numbers)}f", *self.numbers)
        table += _SIZE.pack(len(self.beside)) if self.beside else b""
        kind = self.kind | _TWO if self.beside else self.kind
        head = (MAGIC, VERSION, kind, self.run, self.round, self.client, self.memory, self.samples)
        checksum = zlib.crc32(_CHECKED.pack(*head, len(self.numbers)) + table)
        return b"".join((_HEADER.pack(*head, len(self.numbers), checksum), table, self.beside, self.frame, *frame))

    @staticmethod
    def unpack(data: bytes | memoryview) -> Message:
        """Read a message; any bytes give a message or WireError.

        Raises:
            WireError: too short, foreign, of another version, or damaged.
        """
        if len(data) < _HEADER.size:
            raise WireError(f"message: {len(data)} bytes, fewer than its header of {_HEADER.size}")
        *head, count, checksum = _HEADER.unpack_from(data)
        two = bool(head[2] & _TWO)
        body = _HEADER.size + 4 * count + two * _SIZE.size
        if head[0] != MAGIC or head[1] != VERSION:
            raise WireError(f"message: starts with {bytes(data[:3])!r}, not with {MAGIC!r} and version {VERSION}")
        start = zlib.crc32(_CHECKED.pack(*head, count))
        if body > len(data) or zlib.crc32(data[_HEADER.size : body], start) != checksum:
            raise WireError("message: header damaged or cut off")
        _, _, kind, run, round_, client, memory, samples = head
        kind &= ~_TWO
        if kind not in _KINDS:
            raise WireError(f"message: kind {kind} is unknown")
        end = body + (_SIZE.unpack_from(data, body - _SIZE.size)[0] if two else 0)
        if end > len(data) or (two and end == body):
            raise WireError(f"message: a second frame of {end - body} bytes in {len(data)}")
        numbers, rest = struct.unpack_from(f"<{count}f", data, _HEADER.size), memoryview(data)
        return Message(Kind(kind), run, round_, client, memory, rest[end:], samples, numbers, rest[body:end])

    def split(self) -> Sizes:
        """Bytes of the whole message as header, side information and body."""
        frames = [sizes(frame) for frame in (self.frame, self.beside) if len(frame)]
        head = _HEADER.size + 4 * len(self.numbers) + (_SIZE.size if self.beside else 0)
        return Sizes(
            head + sum(frame.header for frame in frames),
            sum(frame.side for frame in frames),
            sum(frame.body for frame in frames),
        )


@dataclass(frozen=True)
class Broadcast:
    """All messages of the server in one round.

    Args:
        shared: messages for everyone, counted once.
        unicast: messages for one client alone (catch-up, or its own model), counted each.
    """

    round: int
    cohort: tuple[int, ...]
    shared: tuple[bytes, ...]
    unicast: Mapping[int, tuple[bytes, ...]]

    def to(self, client: int) -> tuple[bytes, ...]:
        """What a client receives, in the order in which it must be read."""
        return self.unicast.get(client, ()) + self.shared

    @property
    def bytes_broadcast(self) -> int:
        """Bytes that were sent once to everyone."""
        return sum(map(len, self.shared))

    @property
    def bytes_unicast(self) -> int:
        """Bytes that were sent to single clients."""
        return sum(len(message) for messages in self.unicast.values() for message in messages)
