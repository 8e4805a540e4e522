"""The wire format: one frame for one row.

Layout, little endian; only the parts that a code has are there:

    magic 1 | version 1 | flags 2 | checksum 4 (of all other bytes) | fingerprint of the operator 2 | dim varint |
    side: count varint, bytes | values: count varint, bytes |
    positions: count varint, size varint, bytes | symbols: count varint, all remaining bytes

A count equal to dim is written as 0, another count c as c + 1. The key is not in the frame.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression import kernels
from fedkd_compression.codecs import varint
from fedkd_compression.errors import WireError

if TYPE_CHECKING:
    from fedkd_compression.arrays import Octets
    from fedkd_compression.operators.base import Operator

MAGIC, VERSION = 0xFC, 1
_PREFIX = struct.Struct("<BBH")
_CHECKSUM = struct.Struct("<I")
_FINGERPRINT = struct.Struct("<H")
_START = _PREFIX.size + _CHECKSUM.size
_SMALLEST = _START + _FINGERPRINT.size + 1
FLOATS = ("float16", "bfloat16", "float32", "float64")
_WIDTHS = (2, 2, 4, 8)
_SLACK = 8192
"""How many more entries than dim a part may have: operators pad to blocks."""


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


@dataclass(frozen=True)
class Stream:
    """One part of a frame: how many numbers, and the bytes that hold them."""

    count: int
    data: Octets


@dataclass(frozen=True)
class Frame:
    """A frame in parts; a part that the code does not have is None.

    Args:
        fingerprint: 16 bits that name the operator and its fields.
        dim: dimension of the row.
        dtype: index into FLOATS of the row; ``values_dtype`` and ``side_dtype`` likewise.
    """

    fingerprint: int
    dim: int
    dtype: int
    side: Stream | None = None
    side_dtype: int = 2
    values: Stream | None = None
    values_dtype: int = 2
    positions: Stream | None = None
    symbols: Stream | None = None


def fingerprint(operator: Operator) -> int:
    """16 bits of the operator's name and fields."""
    return zlib.crc32(repr(operator).encode()) & 0xFFFF


def pack(frame: Frame) -> bytes:
    """The bytes of a frame."""
    flags = frame.dtype | frame.side_dtype << 2 | frame.values_dtype << 4
    pieces: list[bytes | memoryview] = [_FINGERPRINT.pack(frame.fingerprint) + varint.put(frame.dim)]
    for bit, part in enumerate((frame.side, frame.values, frame.positions, frame.symbols)):
        if part is None:
            continue
        flags |= 1 << (6 + bit)
        pieces.append(varint.put(0 if part.count == frame.dim else part.count + 1))
        if part is frame.positions:
            pieces.append(varint.put(len(part.data)))
        pieces.append(memoryview(part.data))  # type: ignore[arg-type]
    prefix = _PREFIX.pack(MAGIC, VERSION, flags)
    out = bytearray().join((prefix, b"\0\0\0\0", *pieces))
    _CHECKSUM.pack_into(out, _PREFIX.size, _checksum(out))
    return bytes(out)


def unpack(data: bytes | memoryview) -> Frame:
    """Read a frame; any bytes give a frame or WireError.

    Raises:
        WireError: too short, foreign, of another version, damaged, or malformed.
    """
    flags = _flags(data)
    if _checksum(data) != _CHECKSUM.unpack_from(data, _PREFIX.size)[0]:
        raise WireError(f"frame: {len(data)} bytes are damaged or cut off")
    return _parts(data, flags)


def _parts(data: bytes | memoryview, flags: int) -> Frame:
    """The parts of a frame, as far as its own lengths are to be believed."""
    named = _FINGERPRINT.unpack_from(data, _START)[0]
    dim, at = varint.take(data, _START + _FINGERPRINT.size)
    frame = Frame(named, dim, flags & 3, side_dtype=flags >> 2 & 3, values_dtype=flags >> 4 & 3)
    body = np.frombuffer(data, np.uint8)
    if flags & 64:
        side, at = _floats(body, at, dim, frame.side_dtype)
        frame = replace(frame, side=side)
    if flags & 128:
        values, at = _floats(body, at, dim, frame.values_dtype)
        frame = replace(frame, values=values)
    if flags & 256:
        count, at = _count(body, at, dim)
        size, at = varint.take(data, at)
        positions, at = _stream(body, at, count, size)
        frame = replace(frame, positions=positions)
    if flags & 512:
        count, at = _count(body, at, dim)
        symbols, at = _stream(body, at, count, len(body) - at)
        frame = replace(frame, symbols=symbols)
    if at != len(body):
        raise WireError(f"frame: {len(body) - at} bytes too many")
    return frame


def sizes(frame: bytes | memoryview) -> Sizes:
    """How many bytes of a frame are header, side information and body; its checksum is not looked at.

    Raises:
        WireError: the bytes are no frame.
    """
    parts = _parts(frame, _flags(frame))
    side = 0 if parts.side is None else len(parts.side.data)
    body = sum(len(part.data) for part in (parts.values, parts.positions, parts.symbols) if part is not None)
    return Sizes(len(frame) - side - body, side, body)


def _flags(data: bytes | memoryview) -> int:
    if len(data) < _SMALLEST:
        raise WireError(f"frame: {len(data)} bytes, fewer than the {_SMALLEST} of the smallest frame")
    magic, version, flags = _PREFIX.unpack_from(data)
    if (magic, version) != (MAGIC, VERSION):
        raise WireError(f"frame: starts with {data[:2].hex()}, not with magic and version {MAGIC:x}{VERSION:02x}")
    if flags >> 10:
        raise WireError(f"frame: flags {flags:#x} are unknown")
    return int(flags)


def _checksum(data: bytes | bytearray | memoryview) -> int:
    seed = int.from_bytes(data[: _PREFIX.size], "little")
    return kernels.backend().checksum(np.frombuffer(data, np.uint8, offset=_START), seed)


def _count(body: Octets, at: int, dim: int) -> tuple[int, int]:
    written, at = varint.take(body, at)
    count = dim if written == 0 else written - 1
    if count > dim + max(dim, _SLACK):
        raise WireError(f"frame: {count} entries are too many for dim={dim}")
    return count, at


def _floats(body: Octets, at: int, dim: int, dtype: int) -> tuple[Stream, int]:
    count, at = _count(body, at, dim)
    return _stream(body, at, count, count * _WIDTHS[dtype])


def _stream(body: Octets, at: int, count: int, size: int) -> tuple[Stream, int]:
    if at + size > len(body):
        raise WireError(f"frame: {size} bytes at byte {at} are cut off")
    return Stream(count, body[at : at + size]), at + size
