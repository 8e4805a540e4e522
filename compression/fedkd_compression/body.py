"""The parts of one code as bytes, and its children's; ``wire`` has the layout."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fedkd_compression.codecs import varint
from fedkd_compression.errors import WireError

if TYPE_CHECKING:
    from fedkd_compression.arrays import Octets

    Pieces = list[bytes | memoryview]

FLAGS = struct.Struct("<H")
KNOWN_FLAGS = 0x7FC
"""Two bits of the row's dtype, which belong to the frame, and those of a body."""
_SIDE, _VALUES, _POSITIONS, _CHILDREN, _SYMBOLS = (1 << bit for bit in range(6, 11))
_WIDTHS = (2, 2, 4, 8)
_SLACK = 8192
"""How many more entries than dim a part may have: operators pad to blocks."""
_DEEPEST = 8


@dataclass(frozen=True)
class Stream:
    """One part of a code: how many numbers, and the bytes that hold them."""

    count: int
    data: Octets


@dataclass(frozen=True)
class Unread:
    """The children of a body as they came: read only when the receiver knows how many there must be.

    Args:
        data: their number, then each with its size.
        depth: how many bodies they are inside of.
    """

    data: Octets
    depth: int

    def read(self, expected: int | None = None) -> tuple[Body, ...]:
        """The children, of which there must be as many as expected; None for any number.

        Raises:
            WireError: there are more or fewer, or they are cut off.
        """
        count, at = varint.take(self.data, 0)
        if expected not in (None, count):
            raise WireError(f"frame: {count} children where {expected} are needed")
        children = []
        for _ in range(count):
            size, at = varint.take(self.data, at)
            if size < FLAGS.size or at + size > len(self.data):
                raise WireError(f"frame: a child of {size} bytes at byte {at} is cut off")
            children.append(_child(self.data[at : at + size], self.depth))
            at += size
        _ended(self.data, at)
        return tuple(children)


@dataclass(frozen=True)
class Body:
    """The parts of a code; one that it does not have is None.

    Args:
        side_dtype: index into ``wire.FLOATS``; ``values_dtype`` likewise.
        children: the bodies of the code's children; of a frame that came, unread.
    """

    side: Stream | None = None
    side_dtype: int = 2
    values: Stream | None = None
    values_dtype: int = 2
    positions: Stream | None = None
    children: tuple[Body, ...] | Unread = ()
    symbols: Stream | None = None

    def streams(self) -> tuple[Stream, ...]:
        """The parts that are there, without the children's."""
        parts = (self.side, self.values, self.positions, self.symbols)
        return tuple(part for part in parts if part is not None)

    def check(self, dim: int) -> None:
        """Refuse more entries than an operator of this dimension can need, before any is read.

        Raises:
            WireError: a part has too many.
        """
        for part in self.streams():
            if part.count > most(dim):
                raise WireError(f"frame: {part.count} entries are too many for dim={dim}")

    def measured(self) -> tuple[int, int]:
        """Bytes of side information, and of symbols, positions and values."""
        side = 0 if self.side is None else len(self.side.data)
        rest = sum(len(part.data) for part in self.streams()) - side
        below = [child.measured() for child in _known(self)]
        return side + sum(part[0] for part in below), rest + sum(part[1] for part in below)


def _known(body: Body) -> tuple[Body, ...]:
    """The children, read if they are not."""
    return body.children.read() if isinstance(body.children, Unread) else body.children


def most(dim: int) -> int:
    """The largest number of entries of a part."""
    return dim + max(dim, _SLACK)


def flags_of(body: Body) -> int:
    """Which parts there are, and in which dtype."""
    there = (
        (_SIDE, body.side is not None),
        (_VALUES, body.values is not None),
        (_POSITIONS, body.positions is not None),
        (_CHILDREN, bool(body.children)),
        (_SYMBOLS, body.symbols is not None),
    )
    return body.side_dtype << 2 | body.values_dtype << 4 | sum(bit for bit, present in there if present)


def put(body: Body, dim: int | None) -> Pieces:
    """The bytes of a body in pieces; a child has no ``dim`` of its own."""
    pieces: Pieces = []
    for part in (body.side, body.values):
        if part is not None:
            pieces += [put_count(part.count, dim), _view(part)]
    if body.positions is not None:
        pieces += [put_count(body.positions.count, dim), varint.put(len(body.positions.data)), _view(body.positions)]
    if body.symbols is not None:
        pieces.append(put_count(body.symbols.count, dim))
        # What ends the body needs no size.
        pieces += [varint.put(len(body.symbols.data))] if body.children else []
        pieces.append(_view(body.symbols))
    if body.children:
        children = _known(body)
        pieces.append(varint.put(len(children)))
        for child in children:
            inside = [FLAGS.pack(flags_of(child)), *put(child, None)]
            pieces += [varint.put(sum(map(len, inside))), *inside]
    return pieces


def take(data: Octets, at: int, flags: int, dim: int | None, depth: int = 0) -> Body:
    """Read the body that starts at ``at`` and ends with the data.

    Raises:
        WireError: cut off, or too long.
    """
    body = Body(side_dtype=flags >> 2 & 3, values_dtype=flags >> 4 & 3)
    if flags & _SIDE:
        side, at = _take_floats(data, at, dim, body.side_dtype)
        body = replace(body, side=side)
    if flags & _VALUES:
        values, at = _take_floats(data, at, dim, body.values_dtype)
        body = replace(body, values=values)
    if flags & _POSITIONS:
        count, at = _take_count(data, at, dim)
        size, at = varint.take(data, at)
        positions, at = _stream(data, at, count, size)
        body = replace(body, positions=positions)
    if flags & _SYMBOLS:
        count, at = _take_count(data, at, dim)
        size, at = varint.take(data, at) if flags & _CHILDREN else (len(data) - at, at)
        symbols, at = _stream(data, at, count, size)
        body = replace(body, symbols=symbols)
    if flags & _CHILDREN:
        return replace(body, children=Unread(data[at:], depth))
    _ended(data, at)
    return body


def _child(data: Octets, depth: int) -> Body:
    flags = int(data[0]) | int(data[1]) << 8
    if flags & ~KNOWN_FLAGS:
        raise WireError(f"frame: flags {flags:#x} of a child are unknown")
    if depth >= _DEEPEST:
        raise WireError(f"frame: children inside of {depth} others are too deep")
    return take(data, FLAGS.size, flags, None, depth + 1)


def _ended(data: Octets, at: int) -> None:
    if at != len(data):
        raise WireError(f"frame: {len(data) - at} bytes too many")


def put_count(count: int, dim: int | None) -> bytes:
    """How a part of so many entries is announced."""
    return varint.put(0 if count == dim else count + 1)


def _take_count(data: Octets, at: int, dim: int | None) -> tuple[int, int]:
    written, at = varint.take(data, at)
    if written == 0 and dim is None:
        raise WireError(f"frame: a count at byte {at} is missing")
    return (dim or 0) if written == 0 else written - 1, at


def _view(part: Stream) -> memoryview:
    return memoryview(part.data)  # type: ignore[arg-type]


def _take_floats(data: Octets, at: int, dim: int | None, dtype: int) -> tuple[Stream, int]:
    count, at = _take_count(data, at, dim)
    return _stream(data, at, count, count * _WIDTHS[dtype])


def _stream(data: Octets, at: int, count: int, size: int) -> tuple[Stream, int]:
    if at + size > len(data):
        raise WireError(f"frame: {size} bytes at byte {at} are cut off")
    return Stream(count, data[at : at + size]), at + size
