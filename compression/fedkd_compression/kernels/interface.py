"""The functions that every set of kernels has; the portable set documents each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Keys = NDArray[np.uint64]


class Backend(Protocol):
    """A module with these functions."""

    def words(self, keys: Keys, count: int) -> NDArray[np.uint32]: ...  # noqa: D102
    def uniforms(self, keys: Keys, count: int) -> NDArray[np.float32]: ...  # noqa: D102
    def dither(self, keys: Keys, count: int) -> NDArray[np.float32]: ...  # noqa: D102
    def bins(self, keys: Keys, count: int) -> NDArray[np.uint8]: ...  # noqa: D102

    def squares(self, rows: Floats) -> NDArray[np.float64]: ...  # noqa: D102
    def peaks(self, rows: Floats) -> NDArray[np.float64]: ...  # noqa: D102
    def all_finite(self, values: Floats) -> bool: ...  # noqa: D102
    def largest(self, magnitudes: NDArray[np.unsignedinteger[Any]], count: int) -> NDArray[np.int64]: ...  # noqa: D102

    def dither_encode(self, rows: Floats, steps: Floats, keys: Keys) -> tuple[NDArray[np.int32], Floats]: ...  # noqa: D102
    def dither_decode(self, symbols: NDArray[np.int32], steps: Floats, keys: Keys) -> Floats: ...  # noqa: D102
    def levels_encode(self, rows: Floats, norms: Floats, levels: int, keys: Keys) -> NDArray[np.int32]: ...  # noqa: D102
    def levels_decode(self, symbols: NDArray[np.int32], norms: Floats, levels: int) -> Floats: ...  # noqa: D102

    def checksum(self, data: NDArray[np.uint8], seed: int) -> int: ...  # noqa: D102
    def pack(self, values: NDArray[np.uint32], width: int) -> NDArray[np.uint8]: ...  # noqa: D102
    def unpack(self, data: NDArray[np.uint8], count: int, width: int) -> NDArray[np.uint32]: ...  # noqa: D102
    def unary_pack(self, values: NDArray[np.uint32]) -> NDArray[np.uint8]: ...  # noqa: D102
    def unary_unpack(self, data: NDArray[np.uint8], count: int) -> NDArray[np.uint32] | None: ...  # noqa: D102
