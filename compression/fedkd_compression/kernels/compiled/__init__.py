"""The kernels compiled with numba: each at its first use, then kept on disk."""

from __future__ import annotations

from fedkd_compression.kernels.compiled.bits import pack, unary_pack, unary_unpack, unpack
from fedkd_compression.kernels.compiled.checksum import checksum
from fedkd_compression.kernels.compiled.counts import count, outside
from fedkd_compression.kernels.compiled.rans import rans_decode, rans_encode
from fedkd_compression.kernels.compiled.reductions import all_finite, peaks, squares
from fedkd_compression.kernels.compiled.rounding import dither_decode, dither_encode, levels_decode, levels_encode
from fedkd_compression.kernels.compiled.selection import largest
from fedkd_compression.kernels.compiled.streams import bins, dither, uniforms, words
from fedkd_compression.kernels.compiled.tables import entries_of, slots_of

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
