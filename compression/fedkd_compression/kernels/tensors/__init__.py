"""The kernels in tensor operations: for any device, and what the compiled ones must equal where there is no Triton.

Each operation is one rounding of its inputs, so that no device may fuse or reorder what the portable set fixes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedkd_compression.kernels.tensors import dead_zone, exact, reductions, rotation, rounding, selection, streams

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from fedkd_compression.arrays import Keys


class Tensors:
    """Row kernels for the tensors of one device, where random numbers are drawn, too."""

    def __init__(self, device: torch.device | str) -> None:
        self._device = device

    def uniforms(self, keys: Keys, count: int) -> Tensor:  # noqa: D102
        return streams.uniforms(keys, count, self._device)

    def dither(self, keys: Keys, count: int) -> Tensor:  # noqa: D102
        return streams.dither(keys, count, self._device)

    def bins(self, keys: Keys, count: int) -> Tensor:  # noqa: D102
        return streams.bins(keys, count, self._device)

    def drawn(self, keys: Keys, dim: int, count: int) -> Tensor:  # noqa: D102
        return selection.drawn(keys, dim, count, self._device)

    all_finite = staticmethod(reductions.all_finite)
    peaks = staticmethod(reductions.peaks)
    squares = staticmethod(reductions.squares)
    dots = staticmethod(reductions.dots)
    exact_add = staticmethod(exact.exact_add)
    largest = staticmethod(selection.largest)
    dither_encode = staticmethod(rounding.dither_encode)
    dither_decode = staticmethod(rounding.dither_decode)
    levels_encode = staticmethod(rounding.levels_encode)
    levels_decode = staticmethod(rounding.levels_decode)
    hadamard = staticmethod(rotation.hadamard)
    dead_zone_encode = staticmethod(dead_zone.dead_zone_encode)
    dead_zone_decode = staticmethod(dead_zone.dead_zone_decode)
