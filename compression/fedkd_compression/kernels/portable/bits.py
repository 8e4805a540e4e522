"""Bit strings, least significant bit first: fixed width and unary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fedkd_compression.arrays import Counts, Octets, Unsigned, Words


def pack(values: Unsigned, width: int) -> Octets:
    """The low ``width`` bits of each value, one after another, uint8 [ceil(m width / 8)]."""
    if width == 0:
        return np.empty(0, np.uint8)
    octets = np.ascontiguousarray(values.astype("<u4", copy=False)).view(np.uint8).reshape(-1, 4)
    return np.packbits(np.unpackbits(octets, axis=1, bitorder="little")[:, :width].reshape(-1), bitorder="little")


def unpack(data: Octets, count: int, width: int) -> Words:
    """Read ``count`` values; ``data`` holds at least count * width bits."""
    padded = np.zeros((count, 32), np.uint8)
    if width and count:
        padded[:, :width] = np.unpackbits(data, count=count * width, bitorder="little").reshape(count, width)
    return np.packbits(padded, axis=1, bitorder="little").reshape(-1).view("<u4").astype(np.uint32, copy=False)


def unary_pack(values: Words) -> Octets:
    """Each value as that many zeros and a one."""
    ends = np.cumsum(values.astype(np.int64) + 1)
    marks = np.zeros(int(ends[-1]) if len(ends) else 0, np.uint8)
    marks[ends - 1] = 1
    return np.packbits(marks, bitorder="little")


def unary_unpack(data: Octets, count: int) -> Words | None:
    """Read ``count`` values, or None when the data end before; what follows them is ignored."""
    ends = np.flatnonzero(np.unpackbits(data, bitorder="little"))[:count]
    if len(ends) < count:
        return None
    return (np.diff(ends, prepend=-1) - 1).astype(np.uint32)


def code_bits(grades: Counts, starts: Counts, absent: int) -> Counts:
    """Bits of the Rice code of each group of rows of grades, with each of eight parameters: [8, groups]."""
    changes = np.diff(grades, axis=0, prepend=grades[:1])
    changes[starts] = np.diff(grades[starts], axis=1, prepend=absent)
    numbers = np.where(changes >= 0, 2 * changes, -2 * changes - 1)
    k = np.arange(8)[:, None]
    bits = (numbers >> k[:, :, None]).sum(axis=2) + (k + 1) * grades.shape[1]
    return np.add.reduceat(bits, starts, axis=1)


def grades_put(grades: Counts, k: int, absent: int) -> Octets:
    """The Rice code of grades [T, columns], as differences: low k bits first, then the rest in unary.

    The first row's are from the grade before, and from ``absent`` at its start; those of others from the row above.
    """
    changes = np.diff(grades, axis=0, prepend=grades[:1])
    changes[0] = np.diff(grades[0], prepend=absent)
    numbers = np.where(changes >= 0, 2 * changes, -2 * changes - 1).astype(np.uint32).reshape(-1)
    return np.concatenate((pack(numbers, k), unary_pack(numbers >> np.uint32(k))))


def grades_take(data: Octets, tables: int, columns: int, k: int, absent: int) -> tuple[Counts, int] | None:
    """Grades [tables, columns] in [0, absent] and the bytes that they took; None where the data hold no such grades."""
    count = tables * columns
    middle = (count * k + 7) // 8
    longest = middle + count * (2 * absent + 2) // 8 + 1
    if middle > len(data) or (high := unary_unpack(data[middle:longest], count)) is None:
        return None
    numbers = unpack(data[:middle], count, k).astype(np.int64) | high.astype(np.int64) << k
    grades = ((numbers >> 1) ^ -(numbers & 1)).reshape(tables, columns)
    grades[0, 0] += absent
    grades[0] = np.cumsum(grades[0])
    grades = np.cumsum(grades, axis=0)
    if not 0 <= grades.min() <= grades.max() <= absent:
        return None
    return grades, middle + (int(high.sum(dtype=np.int64)) + count + 7) // 8
