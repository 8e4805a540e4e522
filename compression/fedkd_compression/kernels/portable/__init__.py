"""The kernels in plain NumPy: what the compiled ones must equal, bit for bit."""

from __future__ import annotations

from fedkd_compression.kernels.portable.bits import pack, unary_pack, unary_unpack, unpack
from fedkd_compression.kernels.portable.checksum import checksum
from fedkd_compression.kernels.portable.counts import count, outside
from fedkd_compression.kernels.portable.rans import rans_decode, rans_encode
from fedkd_compression.kernels.portable.reductions import all_finite, peaks, squares
from fedkd_compression.kernels.portable.rounding import dither_decode, dither_encode, levels_decode, levels_encode
from fedkd_compression.kernels.portable.selection import largest
from fedkd_compression.kernels.portable.streams import bins, dither, uniforms, words
from fedkd_compression.kernels.portable.tables import entries_of, slots_of

__all__ = [
    "all_finite",
    "bins",
    "checksum",
    "count",
    "dither",
    "dither_decode",
    "dither_encode",
    "entries_of",
    "largest",
    "levels_decode",
    "levels_encode",
    "outside",
    "pack",
    "peaks",
    "rans_decode",
    "rans_encode",
    "slots_of",
    "squares",
    "unary_pack",
    "unary_unpack",
    "uniforms",
    "unpack",
    "words",
]
