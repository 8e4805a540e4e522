"""Frames that say what a test wants them to: lies about sizes, under a right checksum and fingerprint."""

from dataclasses import dataclass, field

import numpy as np

from fedkd_compression import Key, Operator, wire
from fedkd_compression.body import Body, Stream
from fedkd_compression.codecs import varint
from fedkd_compression.testing.sealing import SEALED, sealed
from fedkd_compression.wire import FLOATS, Frame

KEY = Key.of(0, "forged")
FLOAT32 = FLOATS.index("float32")
_DIM_AT = SEALED + 2


@dataclass(frozen=True)
class Forged:
    """A frame, and who receives it.

    Args:
        operator: what the receiver expects; ``dim`` likewise.
        frame: the bytes.
    """

    operator: Operator
    dim: int
    frame: bytes = field(repr=False)


def stream(count: int, data: bytes = b"") -> Stream:
    """A part that says it has ``count`` entries, whatever its bytes are."""
    return Stream(count, np.frombuffer(data, np.uint8))


def forged(operator: Operator, dim: int, body: Body) -> Forged:
    """A frame of a body, whose counts need not be true."""
    return Forged(operator, dim, wire.pack(Frame(wire.fingerprint(operator), dim, FLOAT32, body)))


def written(operator: Operator, dim: int, like: Body, tail: bytes) -> Forged:
    """A frame whose flags say that it has the parts of ``like``, with other bytes in their place."""
    start = forged(operator, dim, like).frame[: _DIM_AT + len(number(dim))]
    return Forged(operator, dim, sealed(start + tail))


def claiming(operator: Operator, dim: int, claimed: bytes, body: Body) -> Forged:
    """A frame that says another dimension than its receiver's."""
    frame = forged(operator, dim, body).frame
    return Forged(operator, dim, sealed(frame[:_DIM_AT] + claimed + frame[_DIM_AT + len(number(dim)) :]))


def number(value: int) -> bytes:
    """A whole number as frames have it."""
    return varint.put(value)


def counted(value: int) -> bytes:
    """A count as frames have it."""
    return varint.put(value + 1)
