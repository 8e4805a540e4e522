"""What an encoder knows of its symbols before it chooses a code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression import kernels
from fedkd_compression.errors import OperatorError
from fedkd_compression.kernels.portable.counts import CELLS, CONTEXTS, OTHERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Counts, Octets, Symbols

_UPPER = CELLS * np.arange(CONTEXTS - 1, CONTEXTS // 2 - 1, -1)[:, None] + -np.arange(CELLS) % CELLS
NONE = np.empty(0, np.uint8)
_NO_SYMBOLS = np.empty(0, np.int32)


@dataclass(frozen=True, eq=False)
class Survey:
    """Symbols, counted.

    Args:
        symbols: int8 or int32 [m].
        narrow: the same as int8, -128 where one is outside [-127, 127].
        contexts: uint8 [m], or [0] where there are none.
        counts: int64 [16, 256], how often each cell occurs in each context; context 0 where there are none.
    """

    symbols: Symbols
    narrow: NDArray[np.int8]
    contexts: Octets
    counts: Counts

    @staticmethod
    def of(symbols: Symbols, contexts: Octets) -> Survey:
        """Count symbols [m] in their contexts, [m] or [0].

        Raises:
            OperatorError: there are contexts, but not one for each symbol.
        """
        if len(contexts) not in (0, len(symbols)):
            raise OperatorError(
                f"contexts: {len(contexts)} for {len(symbols)} symbols; return one for each symbol, or None"
            )
        narrow = kernels.backend().narrowed(symbols)
        return Survey(symbols, narrow, contexts, kernels.backend().count(narrow, contexts))

    def own(self, mirrored: bool) -> Counts:
        """Counts as tables see them: [8, 256] of the lower contexts and their mirrors together, or [1, 256] of all."""
        return self._folded if mirrored else self.total[None]

    @cached_property
    def _folded(self) -> Counts:
        folded: Counts = self.counts[: CONTEXTS // 2] + self.counts.reshape(-1).take(_UPPER)
        return folded

    @cached_property
    def total(self) -> Counts:
        """How often each cell occurs, int64 [256]."""
        total: Counts = self.counts.sum(axis=0)
        return total

    @cached_property
    def others(self) -> Symbols:
        """The symbols that have no cell of their own, int32."""
        found: Symbols = _NO_SYMBOLS
        if self.total[OTHERS]:
            found = self.symbols[self.narrow == -OTHERS].astype(np.int32)
        return found
