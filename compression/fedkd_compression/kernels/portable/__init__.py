"""The kernels in plain NumPy: what the compiled ones must equal, bit for bit."""

from __future__ import annotations

from fedkd_compression.kernels.portable.bits import grades_put, grades_take, pack, unary_pack, unary_unpack, unpack
from fedkd_compression.kernels.portable.checksum import checksum
from fedkd_compression.kernels.portable.counts import cheapest, count, narrowed, outside, spent, summary
from fedkd_compression.kernels.portable.dead_zone import dead_zone_decode, dead_zone_encode
from fedkd_compression.kernels.portable.exact import exact_add, exact_total
from fedkd_compression.kernels.portable.rans import rans_decode, rans_encode
from fedkd_compression.kernels.portable.reductions import all_finite, dots, peaks, squares
from fedkd_compression.kernels.portable.rotation import hadamard
from fedkd_compression.kernels.portable.rounding import (
    dither_decode,
    dither_encode,
    levels_decode,
    levels_encode,
)
from fedkd_compression.kernels.portable.selection import largest
from fedkd_compression.kernels.portable.streams import bins, dither, uniforms, words
from fedkd_compression.kernels.portable.tables import entries_of, fitted, normalised, slots_of

__all__ = [
    "all_finite",
    "bins",
    "cheapest",
    "checksum",
    "count",
    "dead_zone_decode",
    "dead_zone_encode",
    "dither",
    "dither_decode",
    "dither_encode",
    "dots",
    "entries_of",
    "exact_add",
    "exact_total",
    "fitted",
    "grades_put",
    "grades_take",
    "hadamard",
    "largest",
    "levels_decode",
    "levels_encode",
    "narrowed",
    "normalised",
    "outside",
    "pack",
    "peaks",
    "rans_decode",
    "rans_encode",
    "slots_of",
    "spent",
    "squares",
    "summary",
    "unary_pack",
    "unary_unpack",
    "uniforms",
    "unpack",
    "words",
]
