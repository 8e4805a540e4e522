"""The wire format: one frame for one row.

Layout, little endian; only the parts that a code has are there:

    magic 1 | version 1 | flags 2 | checksum 4 (of all other bytes) | fingerprint of the operator 2 | dim varint | body

    body:  side: count varint, bytes | values: count varint, bytes | positions: count varint, size varint, bytes |
           symbols: count varint, (size varint, where children follow,) bytes |
           children: number varint, then of each: size varint, flags 2, body

A count equal to the body's dim is written as 0, another count c as c + 1. A child's dim is not in the frame: the
operator knows it. Nor is the key.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fedkd_compression import body, kernels
from fedkd_compression.body import KNOWN_FLAGS, Body, flags_of
from fedkd_compression.codecs import varint
from fedkd_compression.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fedkd_compression.arrays import Counts
    from fedkd_compression.operators.base import Operator

MAGIC, VERSION = 0xFC, 1
Part = bytes | memoryview
Pieces = tuple[Part, ...]
_PREFIX = struct.Struct("<BBH")
_CHECKSUM = struct.Struct("<I")
_FINGERPRINT = struct.Struct("<H")
_START = _PREFIX.size + _CHECKSUM.size
_SMALLEST = _START + _FINGERPRINT.size + 1
FLOATS = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True)
class Sizes:
    """Bytes of a frame: header, side information (scales, norms), body (everything else).

    Args:
        header: everything that is neither side nor body, the checksum included.
        side: bytes of side information.
        body: bytes of symbols (tables included), positions and values.
    """

    header: int
    side: int
    body: int

    @property
    def total(self) -> int:
        """All bytes."""
        return self.header + self.side + self.body


class Lengths(NamedTuple):
    """``Sizes`` of many frames: int64 [n] each."""

    header: Counts
    side: Counts
    body: Counts

    @staticmethod
    def joined(parts: Sequence[Lengths]) -> Lengths:
        """Those of all frames, one part after another."""
        none = np.empty(0, np.int64)
        return Lengths(*(np.concatenate(same) for same in zip((none,) * 3, *parts, strict=True)))

    @property
    def total(self) -> Counts:
        """All bytes of each."""
        total: Counts = self.header + self.side + self.body
        return total


@dataclass(frozen=True)
class Frame:
    """A frame: what it is of, and its body.

    Args:
        fingerprint: 16 bits that name the operator and its fields.
        dim: dimension of the row.
        dtype: index into FLOATS of the row.
    """

    fingerprint: int
    dim: int
    dtype: int
    body: Body


def fingerprint(operator: Operator) -> int:
    """16 bits of the operator's name and fields."""
    return zlib.crc32(repr(operator).encode()) & 0xFFFF


def pack(frame: Frame) -> bytes:
    """The bytes of a frame."""
    return b"".join(pieces(frame))


def pieces(frame: Frame) -> Pieces:
    """The bytes of a frame in pieces, the last of which may be the memory of its values: joining them is a copy."""
    prefix = _PREFIX.pack(MAGIC, VERSION, frame.dtype | flags_of(frame.body))
    *small, last = _FINGERPRINT.pack(frame.fingerprint) + varint.put(frame.dim), *body.put(frame.body, frame.dim)
    head = b"".join(small)
    return prefix, _CHECKSUM.pack(_checksum(prefix, last, head)), head, last


def unpack(data: bytes | memoryview) -> Frame:
    """Read a frame; any bytes give a frame or WireError.

    Raises:
        WireError: too short, foreign, of another version, damaged, or malformed.
    """
    flags = _flags(data)
    if _checksum(data[: _PREFIX.size], memoryview(data)[_START:]) != _CHECKSUM.unpack_from(data, _PREFIX.size)[0]:
        raise WireError(f"frame: {len(data)} bytes are damaged or cut off")
    return _frame(data, flags)


def sizes(frame: bytes | memoryview) -> Sizes:
    """How many bytes of a frame are header, side information and body; its checksum is not looked at.

    Raises:
        WireError: the bytes are no frame.
    """
    side, rest = _frame(frame, _flags(frame)).body.measured()
    return Sizes(len(frame) - side - rest, side, rest)


def least_header(dim: int) -> int:
    """Bytes of a frame of this dimension that has no parts."""
    return _START + _FINGERPRINT.size + len(varint.put(dim))


def checksum(data: Part, seed: int = 0) -> int:
    """The 32-bit checksum of frames, of any bytes: some ten times as fast as a CRC."""
    return kernels.backend().checksum(np.frombuffer(data, np.uint8), seed)


def _frame(data: bytes | memoryview, flags: int) -> Frame:
    """The parts of a frame, as far as its own lengths are to be believed."""
    (named,) = _FINGERPRINT.unpack_from(data, _START)
    dim, at = varint.take(data, _START + _FINGERPRINT.size)
    return Frame(named, dim, flags & 3, body.take(np.frombuffer(data, np.uint8), at, flags, dim))


def _flags(data: bytes | memoryview) -> int:
    if len(data) < _SMALLEST:
        raise WireError(f"frame: {len(data)} bytes, fewer than the {_SMALLEST} of the smallest frame")
    magic, version, flags = _PREFIX.unpack_from(data)
    if (magic, version) != (MAGIC, VERSION):
        raise WireError(f"frame: starts with {data[:2].hex()}, not with magic and version {MAGIC:x}{VERSION:02x}")
    if flags & ~(KNOWN_FLAGS | 3):
        raise WireError(f"frame: flags {flags:#x} are unknown")
    return int(flags)


def _checksum(prefix: Part, last: Part, ahead: bytes = b"") -> int:
    seed = int.from_bytes(prefix, "little")
    return kernels.backend().checksum(np.frombuffer(last, np.uint8), seed, np.frombuffer(ahead, np.uint8))
