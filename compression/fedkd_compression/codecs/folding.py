"""Signed numbers as numbers >= 0, small ones first: 0, -1, 1, -2, 2 become 0, 1, 2, 3, 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fedkd_compression.arrays import Symbols, Words


def folded(symbols: Symbols) -> Words:
    """Folded symbols [m]."""
    return ((symbols << 1) ^ (symbols >> 31)).view(np.uint32)


def unfolded(numbers: Words) -> Symbols:
    """The symbols [m] of folded numbers."""
    return ((numbers >> np.uint32(1)) ^ (np.uint32(0) - (numbers & np.uint32(1)))).view(np.int32)
