"""Symbols that the tables do not cover: the coder puts the escape in their place; their values precede its stream.

Layout: number of escapes varint | Rice code of their folded values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression import kernels
from fedkd_compression.codecs import folding, rice, varint
from fedkd_compression.codecs.survey import NONE
from fedkd_compression.errors import WireError
from fedkd_compression.kernels.portable.counts import CELLS, OTHERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Octets, Symbols
    from fedkd_compression.codecs.survey import Survey
    from fedkd_compression.codecs.tables import Tables

_ALL_OTHERS = (np.arange(CELLS) != OTHERS).astype(np.uint8)[None]
"""Every cell is covered but that of the escapes."""


def plan(survey: Survey, tables: Tables, number: int) -> tuple[int, int]:
    """The Rice parameter of the ``number`` > 0 escapes of symbols under tables, and their bytes."""
    counts = survey.counts if tables.mirrored else survey.total[None]
    times = (counts * (tables.covered == 0)).sum(axis=0)
    _, _, k, size = kernels.backend().summary(times, survey.others)
    return k, len(varint.put(number)) + size


def put(survey: Survey, tables: Tables, number: int, k: int) -> bytes:
    """The ``number`` escapes of symbols under tables, with Rice parameter k."""
    contexts = survey.contexts if tables.mirrored else NONE
    where = kernels.backend().outside(survey.narrow, contexts, tables.covered, number)
    return varint.put(number) + rice.encode(folding.folded(survey.symbols[where].astype(np.int32)), k)


def take(data: Octets, most: int) -> tuple[Symbols, int]:
    """Read at most ``most`` escapes, int32, and the number of bytes that they took.

    Raises:
        WireError: cut off, or too many.
    """
    count, at = varint.take(data, 0)
    if count > most:
        raise WireError(f"frame: {count} escapes for {most} symbols")
    numbers, used = rice.decode(data[at:], count)
    return folding.unfolded(numbers), at + used


def filled(symbols: NDArray[np.int8], escapes: Symbols) -> Symbols:
    """Symbols [m] with the escapes in the places of -128: int8 where they fit, or int32.

    Raises:
        WireError: there are more of one than of the other.
    """
    where = kernels.backend().outside(symbols, NONE, _ALL_OTHERS, len(escapes) + 1)
    if len(where) != len(escapes):
        raise WireError(f"frame: {len(escapes)} escapes for {'fewer' if len(where) < len(escapes) else 'more'} places")
    narrow = len(escapes) == 0 or -OTHERS <= int(escapes.min()) <= int(escapes.max()) < OTHERS
    out: Symbols = symbols if narrow else symbols.astype(np.int32)
    out[where] = escapes
    return out
