"""Tables that are part of the stream: how often each symbol occurs, coarsely, in few bytes.

A frequency is sent as its grade, round(-s log2(share)) with s steps an octave; cells of a window and, where there are
escapes, one for them have one each. Grades are Rice-coded as differences: from the cell before in the first table, from
the same cell of the table before in the others, for neighbouring contexts are alike.

Layout: kind 3 bits, escapes 1 bit, Rice parameter 3 bits, whole 1 bit | low + 127 1 | width - 1 1 | Rice code.
Kinds: 0 is one table without contexts, 1 .. 4 are 1, 2, 4, 8 tables for sixteen contexts. Whole: the stream that
follows is not in chunks (``stream.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fedkd_compression import kernels
from fedkd_compression.codecs.logarithms import FINEST, logarithms, powers
from fedkd_compression.codecs.tables import Tables, precision_of
from fedkd_compression.errors import WireError
from fedkd_compression.kernels.portable.counts import CELLS, OTHERS, REACH

if TYPE_CHECKING:
    from fedkd_compression.arrays import Counts, Octets

_HEAD = 3
_KINDS = 5
_STEPS = ((1 << 19, 16), (1 << 17, 8), (1 << 15, 4))
_FEWEST = 2


def steps_of(count: int) -> int:
    """Steps of an octave for ``count`` symbols: what finer ones save grows with them, what finer ones cost does not."""
    return next((steps for least, steps in _STEPS if count >= least), _FEWEST)


@dataclass(frozen=True, eq=False)
class Histogram:
    """Grades of tables.

    Args:
        low: symbol of the first column.
        grades: int64 [T, columns] in [0, absent]; the last column is for escapes, if there are any.
        escapes: whether there are.
        mirrored: whether sixteen contexts share the tables.
        steps: steps of an octave, a divisor of 16.
    """

    low: int
    grades: Counts
    escapes: bool
    mirrored: bool
    steps: int

    def tables(self) -> Tables:
        """The tables that both ends make of the grades."""
        tables, columns = self.grades.shape
        # Negative symbols count from the end, where their cells are.
        cells = np.arange(self.low, self.low + columns)
        if self.escapes:
            cells[-1] = OTHERS
        weights = np.zeros((tables, CELLS), np.int64)
        weights[:, cells] = _weights(self.steps, self.mirrored)[self.grades]
        return Tables.of(weights, self.mirrored)

    def put(self, k: int, whole: bool = False) -> bytes:
        """The bytes of the grades, with the Rice parameter k in 0 .. 7."""
        kind = len(self.grades).bit_length() if self.mirrored else 0
        head = bytes(
            (kind | self.escapes << 3 | k << 4 | whole << 7, self.low + REACH, self.grades.shape[1] - self.escapes - 1)
        )
        return head + kernels.backend().grades_put(self.grades, k, _absent(self.steps, self.mirrored)).tobytes()


def take(data: Octets, steps: int) -> tuple[Histogram, int, bool]:
    """Read a histogram, the number of bytes that it took, and whether the stream is whole.

    Raises:
        WireError: cut off, or no grades.
    """
    if len(data) < _HEAD or data[0] & 7 >= _KINDS or int(data[1]) + int(data[2]) > 2 * REACH:
        raise WireError("frame: an entropy-coded stream without a valid table")
    kind, escapes = int(data[0]) & 7, bool(data[0] & 8)
    tables, columns, mirrored = 1 << max(kind - 1, 0), int(data[2]) + 1 + escapes, kind > 0
    k, absent = int(data[0]) >> 4 & 7, _absent(steps, mirrored)
    read = kernels.backend().grades_take(data[_HEAD:], tables, columns, k, absent)
    if read is None:
        raise WireError("frame: a table is cut off or has grades that do not exist")
    histogram = Histogram(int(data[1]) - REACH, read[0], escapes, mirrored, steps)
    return histogram, _HEAD + read[1], bool(data[0] & 128)


class Best(NamedTuple):
    """A histogram, its tables, the Rice parameter that makes it shortest, and its bytes then."""

    histogram: Histogram
    tables: Tables
    k: int
    size: float


def best(own: Counts, steps: int) -> Best:
    """The histogram of counts [8 or 1, 256] (``Survey.own``) that makes symbols and itself shortest."""
    mirrored = len(own) > 1
    low, width, grades, table, k, bits = kernels.backend().fitted(own, *scale(steps, mirrored))
    histogram = Histogram(low, grades, grades.shape[1] > width, mirrored, steps)
    return Best(histogram, Tables(table, mirrored), k, _HEAD + bits / 8)


def scale(steps: int, mirrored: bool) -> tuple[int, int, Counts, Counts]:
    """Steps of an octave, bits of a frequency, logarithms, and what a table gives to each grade but the last."""
    return steps, precision_of(mirrored), logarithms(), _weights(steps, mirrored)[:-1]


@cache
def _weights(steps: int, mirrored: bool) -> Counts:
    """What a table gives to each grade; nothing to the last."""
    return np.append(powers(np.arange(_absent(steps, mirrored)) * (FINEST // steps)), 0)


def _absent(steps: int, mirrored: bool) -> int:
    """The grade of what does not occur."""
    return precision_of(mirrored) * steps + 1
