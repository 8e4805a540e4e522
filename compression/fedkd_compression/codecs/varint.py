"""Whole numbers in as few bytes as they need: seven bits a byte, low ones first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedkd_compression.errors import WireError

if TYPE_CHECKING:
    from fedkd_compression.arrays import Octets

_LONGEST = 9


def put(number: int) -> bytes:
    """The bytes of a number >= 0."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def take(data: bytes | memoryview | Octets, at: int) -> tuple[int, int]:
    """The number that starts at ``at``, and where it ends.

    Raises:
        WireError: the data end before the number does, or it has more than nine bytes.
    """
    number = 0
    for i in range(_LONGEST):
        if at + i >= len(data):
            raise WireError(f"frame: a number at byte {at} is cut off")
        octet = int(data[at + i])
        number |= (octet & 0x7F) << (7 * i)
        if octet < 0x80:
            return number, at + i + 1
    raise WireError(f"frame: a number at byte {at} has more than {_LONGEST} bytes")


def folded(number: int) -> int:
    """A signed number as one >= 0: 0, -1, 1, -2, 2 become 0, 1, 2, 3, 4."""
    return 2 * number if number >= 0 else -2 * number - 1


def unfolded(number: int) -> int:
    """The signed number of a folded one."""
    return -(number + 1) // 2 if number & 1 else number // 2
