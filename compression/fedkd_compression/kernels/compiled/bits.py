"""Compiled bit strings; see the portable module for the layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.compiled.compiler import compiled

if TYPE_CHECKING:
    from fedkd_compression.arrays import Counts, Keys, Octets, Unsigned, Words


_HALF = 4
u8, u32, u64, word = np.uint8, np.uint32, np.uint64, np.uintp


@compiled
def _pack(values: Words, width: int, out: Octets) -> None:
    held, bits, at = u64(0), u32(0), word(0)
    mask = u64((1 << width) - 1)
    for i in range(values.size):
        held |= (u64(values[i]) & mask) << u64(bits)
        bits += u32(width)
        while bits >= u32(8):
            out[at] = u8(held)
            at += word(1)
            held >>= u64(8)
            bits -= u32(8)
    if bits > u32(0):
        out[at] = u8(held)


@compiled
def _fours(eights: Keys, out: Words) -> None:
    # The width that matters most, four bits, has a loop of its own, which is stored in whole words.
    for i in range(eights.size):
        x = eights[word(i)] & u64(0x0F0F0F0F0F0F0F0F)
        x = (x | x >> u64(4)) & u64(0x00FF00FF00FF00FF)
        x = (x | x >> u64(8)) & u64(0x0000FFFF0000FFFF)
        out[word(i)] = u32(x | x >> u64(16))


@compiled
def _close_up(eights: Keys, width: int, out: Octets) -> None:
    # Eight octets at a time: pairs of fields are moved together in lanes of 16 bits, then of 32, then of 64.
    shift, field = u64(8 - width), u64((1 << width) - 1)
    ones = u64(0x0001000100010001)
    low, high = ones * field, ones * (field << u64(width))
    two, four = u64((1 << (2 * width)) - 1), u64((1 << (4 * width)) - 1)
    for i in range(eights.size):
        x = eights[word(i)]
        x = (x & low) | ((x >> shift) & high)
        x = (x & (two | two << u64(32))) | (x >> u64(2) * shift & ((two | two << u64(32)) << u64(2 * width)))
        x = (x & four) | (x >> u64(4) * shift & (four << u64(4 * width)))
        at = word(i) * word(width)
        for octet in range(width):
            out[at + word(octet)] = u8(x >> u64(8 * octet))


def pack(values: Unsigned, width: int) -> Octets:
    """The low ``width`` bits of each value, one after another; octets by eights where they are narrow."""
    out = np.empty((len(values) * width + 7) // 8, np.uint8)
    whole = len(values) // 8 * 8 if values.dtype == np.uint8 and 0 < width < 8 else 0
    if whole:
        eights = np.ascontiguousarray(values[:whole]).view(np.uint64)
        if width == _HALF:
            _fours(eights, out[: whole // 2].view(np.uint32))
        else:
            _close_up(eights, width, out)
    _pack(values[whole:].astype(np.uint32, copy=False), width, out[whole * width // 8 :])
    return out


@compiled
def _unpack(data: Octets, width: int, out: Words) -> None:
    held, bits, at = u64(0), u32(0), word(0)
    mask = u64((1 << width) - 1)
    for i in range(out.size):
        while bits < u32(width):
            held |= u64(data[at]) << u64(bits)
            at += word(1)
            bits += u32(8)
        out[i] = u32(held & mask)
        held >>= u64(width)
        bits -= u32(width)


def unpack(data: Octets, count: int, width: int) -> Words:
    """Read ``count`` values of ``width`` bits."""
    _unpack(data, width, out := np.empty(count, np.uint32))
    return out


@compiled
def _mark(values: Words, out: Octets) -> None:
    end = word(0)
    for value in values:
        end += word(value)
        out[end >> word(3)] |= u8(1) << u8(end & word(7))
        end += word(1)


def unary_pack(values: Words) -> Octets:
    """Each value as that many zeros and a one."""
    bits = int(values.sum(dtype=np.uint64)) + len(values)
    _mark(values, out := np.zeros((bits + 7) // 8, np.uint8))
    return out


@compiled
def _scan(data: Octets, out: Words) -> bool:
    found, run = 0, u32(0)
    for octet in data:
        for bit in range(8):
            if found == out.size:
                return True
            if octet >> u8(bit) & u8(1):
                out[found] = run
                found += 1
                run = u32(0)
            else:
                run += u32(1)
    return found == out.size


def unary_unpack(data: Octets, count: int) -> Words | None:
    """Read ``count`` values, or None when the data end before."""
    return out if _scan(data, out := np.empty(count, np.uint32)) else None


@compiled
def _number(grades: Counts, row: int, column: int, absent: int) -> np.int64:
    before = grades[row - 1, column] if row else grades[row, column - 1] if column else np.int64(absent)
    change: np.int64 = grades[row, column] - before
    return 2 * change if change >= 0 else -2 * change - 1


@compiled
def code_bits(grades: Counts, tables: int, columns: int, absent: int) -> tuple[int, int]:
    """The best Rice parameter for grades [tables, columns], in 0 .. 7, and the bits of their code."""
    unary, best = np.zeros(8, np.int64), 0
    for row in range(tables):
        for column in range(columns):
            number = _number(grades, row, column, absent)
            for k in range(8):
                unary[k] += (number >> k) + k + 1
    for k in range(8):
        best = k if unary[k] < unary[best] else best
    return best, int(unary[best])


@compiled
def _grades_put(grades: Counts, k: int, absent: int, out: Octets) -> int:
    """Write the code, as far as ``out`` reaches; the bits of its unary part."""
    columns = grades.shape[1]
    low, high = 0, (grades.size * k + 7) // 8 * 8
    for i in range(grades.size):
        number = int(_number(grades, i // columns, i % columns, absent))
        for bit in range(k):
            if low < 8 * out.size:
                out[low >> 3] |= u8((number >> bit & 1) << (low & 7))
            low += 1
        high += number >> k
        if high < 8 * out.size:
            out[high >> 3] |= u8(1 << (high & 7))
        high += 1
    return high


def grades_put(grades: Counts, k: int, absent: int) -> Octets:
    """The Rice code of grades, as differences."""
    bits = int(_grades_put(grades, k, absent, np.empty(0, np.uint8)))
    _grades_put(grades, k, absent, out := np.zeros((bits + 7) // 8, np.uint8))
    return out


@compiled
def _grades_take(data: Octets, k: int, absent: int, out: Counts) -> int:
    """Read grades; the bytes that they took, or -1."""
    columns = out.shape[1]
    low, high = 0, (out.size * k + 7) // 8 * 8
    for i in range(out.size):
        row, column = i // columns, i % columns
        number = 0
        while high < 8 * data.size and data[high >> 3] >> (high & 7) & 1 == 0:
            number += 1 << k
            high += 1
        if high >= 8 * data.size:
            return -1
        high += 1
        for bit in range(k):
            number |= (data[low >> 3] >> (low & 7) & 1) << bit
            low += 1
        before = out[row - 1, column] if row else out[row, column - 1] if column else absent
        out[row, column] = before + ((number >> 1) ^ -(number & 1))
        if not 0 <= out[row, column] <= absent:
            return -1
    return (high + 7) // 8


def grades_take(data: Octets, tables: int, columns: int, k: int, absent: int) -> tuple[Counts, int] | None:
    """Grades and the bytes that they took; None where the data hold no such grades."""
    used = int(_grades_take(data, k, absent, out := np.empty((tables, columns), np.int64)))
    return None if used < 0 else (out, used)
