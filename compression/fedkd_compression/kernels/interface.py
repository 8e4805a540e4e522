"""The functions that every set of kernels has; the portable set documents each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Counts, Floats, Halves, Keys, Octets, Symbols, Unsigned, Words

    Narrow = NDArray[np.int8]


class Backend(Protocol):
    """A module with these functions."""

    def words(self, keys: Keys, count: int) -> Words: ...  # noqa: D102
    def uniforms(self, keys: Keys, count: int) -> NDArray[np.float32]: ...  # noqa: D102
    def dither(self, keys: Keys, count: int) -> NDArray[np.float32]: ...  # noqa: D102
    def bins(self, keys: Keys, count: int) -> Octets: ...  # noqa: D102

    def dots(self, a: Floats, b: Floats) -> NDArray[np.float64]: ...  # noqa: D102
    def squares(self, rows: Floats) -> NDArray[np.float64]: ...  # noqa: D102
    def peaks(self, rows: Floats) -> NDArray[np.float64]: ...  # noqa: D102
    def all_finite(self, rows: Floats) -> bool: ...  # noqa: D102
    def exact_add(self, rows: Floats, weights: NDArray[np.float64], limbs: NDArray[np.float64]) -> int: ...  # noqa: D102
    def exact_total(self, rows: Sequence[Floats], weights: NDArray[np.float64], out: NDArray[np.float64]) -> int: ...  # noqa: D102
    def largest(self, magnitudes: Unsigned, count: int) -> Counts: ...  # noqa: D102

    def dither_encode(self, rows: Floats, steps: Floats, keys: Keys, symbols: Symbols) -> Floats: ...  # noqa: D102
    def dither_decode(self, symbols: Symbols, steps: Floats, keys: Keys) -> Floats: ...  # noqa: D102
    def levels_encode(self, rows: Floats, norms: Floats, levels: int, keys: Keys, symbols: Symbols) -> None: ...  # noqa: D102
    def levels_decode(self, symbols: Symbols, norms: Floats, levels: int) -> Floats: ...  # noqa: D102
    def hadamard(self, rows: Floats, block: int) -> Floats: ...  # noqa: D102
    def dead_zone_encode(  # noqa: D102
        self, rows: Floats, steps: Floats, threshold: float, cells: int, symbols: Symbols
    ) -> NDArray[np.float64]: ...
    def dead_zone_decode(self, symbols: Symbols, steps: Floats, offsets: Floats) -> Floats: ...  # noqa: D102

    def checksum(self, data: Octets, seed: int, ahead: Octets = ...) -> int: ...  # noqa: D102
    def pack(self, values: Unsigned, width: int) -> Octets: ...  # noqa: D102
    def unpack(self, data: Octets, count: int, width: int) -> Words: ...  # noqa: D102
    def unary_pack(self, values: Words) -> Octets: ...  # noqa: D102
    def unary_unpack(self, data: Octets, count: int) -> Words | None: ...  # noqa: D102

    def narrowed(self, symbols: Symbols) -> Narrow: ...  # noqa: D102
    def count(self, symbols: Narrow, contexts: Octets) -> Counts: ...  # noqa: D102
    def summary(self, times: Counts, others: Symbols) -> tuple[int, int, int, int]: ...  # noqa: D102
    def outside(self, symbols: Narrow, contexts: Octets, covered: Octets, most: int) -> Counts: ...  # noqa: D102
    def normalised(self, weights: Counts, precision: int) -> Counts: ...  # noqa: D102
    def fitted(  # noqa: D102
        self, own: Counts, steps: int, precision: int, logarithms: Counts, powers: Counts
    ) -> tuple[int, int, Counts, Counts, int, int]: ...
    def grades_put(self, grades: Counts, k: int, absent: int) -> Octets: ...  # noqa: D102
    def grades_take(  # noqa: D102
        self, data: Octets, tables: int, columns: int, k: int, absent: int
    ) -> tuple[Counts, int] | None: ...
    def spent(self, own: Counts, table: Counts, costs: Counts) -> tuple[int, int]: ...  # noqa: D102
    def cheapest(self, own: Counts, costs: Halves) -> int: ...  # noqa: D102
    def entries_of(self, table: Counts, precision: int, mirrored: bool) -> Keys: ...  # noqa: D102
    def slots_of(self, table: Counts, precision: int, mirrored: bool) -> tuple[Narrow, Words]: ...  # noqa: D102
    def rans_encode(  # noqa: D102
        self, symbols: Narrow, contexts: Octets, entries: Keys, lanes: int, chunk: int
    ) -> tuple[Words, Counts, Halves]: ...
    def rans_decode(  # noqa: D102
        self,
        words: Halves,
        sizes: Counts,
        states: Words,
        slots: Narrow,
        spans: Words,
        contexts: Octets,
        chunk: int,
        out: Narrow,
    ) -> bool: ...
