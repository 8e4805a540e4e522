"""Packed sums: any bytes behind a right start and checksum give a sum that packs to the same bytes, or WireError.

The first byte of an input is the dimension that the receiver expects; the others are what the checksum covers.
"""

import struct
import zlib

import torch

from fedkd_compression import ExactSum, WireError
from fedkd_compression.sums import MAGIC, VERSION

_START = 8


def corpus() -> list[bytes]:
    """Sums of several dimensions, of no terms and of some."""
    found = []
    for dim in (0, 1, 5, 20):
        for weights in ((), (1.0,), (0.1, -(2.0**32), 3e-20)):
            total = ExactSum.zeros(dim)
            for weight in weights:
                total.add(torch.ones(dim), weight)
            found.append(bytes((dim,)) + total.pack()[_START:])
    return found


def one_input(data: bytes) -> None:
    """Unpack one; whatever else than WireError is raised is a fault."""
    if len(data) < 1:
        return
    dim, packed = data[0], framed(data[1:])
    try:
        total = ExactSum.unpack(packed, dim)
    except WireError:
        return
    assert total.total().shape == (dim,)
    assert total.pack() == packed


def framed(rest: bytes) -> bytes:
    """A packed sum of these bytes: behind its right start and checksum."""
    return struct.pack("<HHI", MAGIC, VERSION, zlib.crc32(rest)) + rest


def largest() -> int:
    """The largest dimension of a receiver."""
    return 255
