"""The kernels in plain NumPy: the reference for the compiled ones."""

from __future__ import annotations

from fedkd_compression.kernels.portable.bits import pack, unary_pack, unary_unpack, unpack
from fedkd_compression.kernels.portable.checksum import checksum
from fedkd_compression.kernels.portable.reductions import all_finite, peaks, squares
from fedkd_compression.kernels.portable.rounding import dither_decode, dither_encode, levels_decode, levels_encode
from fedkd_compression.kernels.portable.selection import largest
from fedkd_compression.kernels.portable.streams import bins, dither, uniforms, words

__all__ = [
    "all_finite", "bins", "checksum", "dither", "dither_decode", "dither_encode", "largest", "levels_decode",
    "levels_encode", "pack", "peaks", "squares", "unary_pack", "unary_unpack", "uniforms", "unpack", "words",
]
