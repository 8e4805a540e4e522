"""The coder's kernels in tensor operations, on the best device that there is, where many lanes can work at once.

The others are the compiled ones: tables are small, and bit strings and checksums are bytes of the host in any case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd_compression.kernels.compiled import (
    all_finite,
    bins,
    cheapest,
    checksum,
    dead_zone_decode,
    dead_zone_encode,
    dither,
    dither_decode,
    dither_encode,
    dots,
    entries_of,
    exact_add,
    exact_total,
    fitted,
    grades_put,
    grades_take,
    hadamard,
    largest,
    levels_decode,
    levels_encode,
    narrowed,
    normalised,
    outside,
    pack,
    peaks,
    slots_of,
    spent,
    squares,
    summary,
    unary_pack,
    unary_unpack,
    uniforms,
    unpack,
    words,
)
from fedkd_compression.kernels.portable.counts import CELLS, CONTEXTS
from fedkd_compression.kernels.tensors.arrays import contexts_of, there
from fedkd_compression.kernels.tensors.rans import rans_decode, rans_encode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Counts, Octets

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


def count(symbols: NDArray[np.int8], contexts: Octets) -> Counts:
    """How often each cell occurs in each context, int64 [16, 256]."""
    cells = there(symbols).to(torch.int64) & CELLS - 1
    chosen = contexts_of(contexts, len(symbols)).mul_(CELLS).add_(cells)
    counts: Counts = torch.bincount(chosen, minlength=CONTEXTS * CELLS).reshape(CONTEXTS, CELLS).cpu().numpy()
    return counts
