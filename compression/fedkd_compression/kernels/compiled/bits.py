"""Compiled bit strings; see the portable module for the layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.kernels.compiled.compiler import compiled

if TYPE_CHECKING:
    from fedkd_compression.arrays import Octets, Words


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


def pack(values: Words, width: int) -> Octets:
    """The low ``width`` bits of each value, one after another."""
    _pack(values, width, out := np.empty((len(values) * width + 7) // 8, np.uint8))
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
