"""The kernels compiled with numba: each at its first use, then kept on disk."""

from __future__ import annotations

from fedkd_compression.kernels.compiled.bits import grades_put, grades_take, pack, unary_pack, unary_unpack, unpack
from fedkd_compression.kernels.compiled.checksum import checksum
from fedkd_compression.kernels.compiled.counts import cheapest, count, narrowed, outside, spent, summary
from fedkd_compression.kernels.compiled.dead_zone import dead_zone_decode, dead_zone_encode
from fedkd_compression.kernels.compiled.exact import exact_add, exact_total
from fedkd_compression.kernels.compiled.rans import rans_decode, rans_encode
from fedkd_compression.kernels.compiled.reductions import all_finite, dots, peaks, squares
from fedkd_compression.kernels.compiled.rotation import hadamard
from fedkd_compression.kernels.compiled.rounding import (
    dither_decode,
    dither_encode,
    levels_decode,
    levels_encode,
)
from fedkd_compression.kernels.compiled.selection import largest
from fedkd_compression.kernels.compiled.streams import bins, dither, uniforms, words
from fedkd_compression.kernels.compiled.tables import entries_of, fitted, normalised, slots_of

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
