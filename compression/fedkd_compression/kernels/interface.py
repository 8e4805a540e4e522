"""The functions that every set of kernels has; the portable set documents each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Counts, Floats, Halves, Keys, Octets, Rules, Symbols, Unsigned, Words


class Backend(Protocol):
    """A module with these functions."""

    def words(self, keys: Keys, count: int) -> Words: ...  # noqa: D102
    def uniforms(self, keys: Keys, count: int) -> NDArray[np.float32]: ...  # noqa: D102
    def dither(self, keys: Keys, count: int) -> NDArray[np.float32]: ...  # noqa: D102
    def bins(self, keys: Keys, count: int) -> Octets: ...  # noqa: D102

    def squares(self, rows: Floats) -> NDArray[np.float64]: ...  # noqa: D102
    def peaks(self, rows: Floats) -> NDArray[np.float64]: ...  # noqa: D102
    def all_finite(self, rows: Floats) -> bool: ...  # noqa: D102
    def largest(self, magnitudes: Unsigned, count: int) -> Counts: ...  # noqa: D102

    def dither_encode(self, rows: Floats, steps: Floats, keys: Keys, symbols: Symbols) -> Floats: ...  # noqa: D102
    def dither_decode(self, symbols: Symbols, steps: Floats, keys: Keys) -> Floats: ...  # noqa: D102
    def levels_encode(self, rows: Floats, norms: Floats, levels: int, keys: Keys, symbols: Symbols) -> None: ...  # noqa: D102
    def levels_decode(self, symbols: Symbols, norms: Floats, levels: int) -> Floats: ...  # noqa: D102

    def checksum(self, data: Octets, seed: int) -> int: ...  # noqa: D102
    def pack(self, values: Words, width: int) -> Octets: ...  # noqa: D102
    def unpack(self, data: Octets, count: int, width: int) -> Words: ...  # noqa: D102
    def unary_pack(self, values: Words) -> Octets: ...  # noqa: D102
    def unary_unpack(self, data: Octets, count: int) -> Words | None: ...  # noqa: D102

    def count(self, symbols: Symbols, contexts: Octets) -> Counts: ...  # noqa: D102
    def outside(  # noqa: D102
        self, symbols: Symbols, contexts: Octets, rules: Rules, width: int, most: int
    ) -> Counts: ...
    def entries_of(  # noqa: D102
        self, table: Counts, precision: int, rules: Rules, width: int
    ) -> Words: ...
    def slots_of(self, table: Counts, precision: int) -> Words: ...  # noqa: D102
    def rans_encode(  # noqa: D102
        self, symbols: Symbols, contexts: Octets, entries: Words, lanes: int, most: int
    ) -> tuple[Words, Halves]: ...
    def rans_decode(  # noqa: D102
        self,
        words: Halves,
        states: Words,
        slots: Words,
        contexts: Octets,
        rules: Rules,
        out: Symbols,
    ) -> bool: ...
