"""How many bytes symbols take, without making them: for studies that count the messages of many small vectors."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression import kernels
from fedkd_compression.codecs import histogram, parametric, stream
from fedkd_compression.codecs.logarithms import costs
from fedkd_compression.codecs.survey import NONE
from fedkd_compression.codecs.symbols import encode_symbols
from fedkd_compression.codecs.tables import precision_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Counts, Octets, Symbols
    from fedkd_compression.codecs.static_model import StaticModel
    from fedkd_compression.kernels.compiled.lengths import Known


def symbol_lengths(symbols: Symbols, contexts: Octets, shared: StaticModel | None = None, zstd: bool = False) -> Counts:
    """The lengths of ``encode_symbols`` for every row, int64 [n].

    Args:
        symbols: int8 or int32 [n, m], contiguous.
        contexts: uint8 [n, m], or [n, 0] for none.
        shared: as ``encode_symbols``.
        zstd: likewise.
    """
    count, dim = symbols.shape
    if dim == 0:
        return np.zeros(count, np.int64)
    if shared is None and not zstd and kernels.chosen() == "numba" and stream.layout(dim)[0] == 1:
        found = _compiled(symbols, contexts)
    else:
        found = np.full(count, -1)
    for row in np.flatnonzero(found < 0).tolist():
        found[row] = len(encode_symbols(symbols[row], partial(_row, contexts, row), shared, zstd))
    return found


def _row(contexts: Octets, row: int) -> Octets:
    return contexts[row] if contexts.shape[1] else NONE


def _compiled(symbols: Symbols, contexts: Octets) -> Counts:
    from fedkd_compression.kernels.compiled.lengths import lengths

    mirrored = contexts.shape[1] > 0
    narrow: NDArray[np.int8] = kernels.backend().narrowed(symbols.reshape(-1)).reshape(symbols.shape)
    return lengths(narrow, contexts, known(mirrored, symbols.shape[1]))


@cache
def known(mirrored: bool, count: int) -> Known:
    """What does not depend on the symbols but on their number."""
    steps = histogram.steps_of(count)
    return parametric.everything(mirrored), histogram.scale(steps, mirrored), costs(precision_of(mirrored))
