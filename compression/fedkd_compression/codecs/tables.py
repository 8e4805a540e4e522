"""Tables of frequencies, and what the coder makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression import kernels
from fedkd_compression.codecs.logarithms import costs
from fedkd_compression.kernels.portable.counts import CELLS, CONTEXTS, OTHERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Counts, Keys, Octets, Words

_PRECISION = {False: 12, True: 11}
"""Bits of a frequency, for one table and for sixteen contexts: the decoder's slots stay in the processor's cache, and
a state has at least eight times as many values as there are slots, so that rounding costs little."""


def precision_of(mirrored: bool) -> int:
    """Bits of a frequency."""
    return _PRECISION[mirrored]


@dataclass(frozen=True, eq=False)
class Tables:
    """Frequencies of symbols, and how contexts share them.

    Args:
        frequencies: int64 [T, 256], that sum to 2^precision a row; column ``symbol mod 256``, 128 for escapes.
        mirrored: whether sixteen contexts share them (``kernels/portable/tables.py``); otherwise T = 1.
    """

    frequencies: Counts
    mirrored: bool

    @staticmethod
    def of(weights: Counts, mirrored: bool) -> Tables:
        """Tables in proportion to weights [T, 256]."""
        return Tables(kernels.backend().normalised(weights, precision_of(mirrored)), mirrored)

    @cached_property
    def entries(self) -> Keys:
        """The encoder's form."""
        return kernels.backend().entries_of(self.frequencies, precision_of(self.mirrored), self.mirrored)

    @cached_property
    def slots(self) -> tuple[NDArray[np.int8], Words]:
        """The decoder's form."""
        return kernels.backend().slots_of(self.frequencies, precision_of(self.mirrored), self.mirrored)

    @cached_property
    def covered(self) -> Octets:
        """Which cells have a frequency of their own, uint8 [16 or 1, 256]."""
        own = (self.frequencies > 0).astype(np.uint8)
        own[:, OTHERS] = 0
        if not self.mirrored:
            return own
        lower = np.repeat(own, CONTEXTS // 2 // len(own), axis=0)
        return np.concatenate((lower, lower[::-1, -np.arange(CELLS)]))

    @property
    def escapes(self) -> bool:
        """Whether symbols without a frequency have the escape's."""
        return bool(self.frequencies[:, OTHERS].any())

    def spent(self, own: Counts) -> tuple[int, int]:
        """The size of symbols in units of 1/BIT bits, and how many of them are escapes; values of escapes not included.

        ``own`` are their counts as ``Survey.own`` gives them.
        """
        return kernels.backend().spent(own, self.frequencies, costs(precision_of(self.mirrored)))
