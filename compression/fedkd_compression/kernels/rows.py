"""The kernels that operators call: tensors in, tensors out, on the tensors' device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.arrays import Keys
    from fedkd_compression.kernels.interface import Backend


class RowKernels(Protocol):
    """What every device has; each function is documented, under the same name, in the portable set.

    Rows [n, d] are contiguous, float32 or float64; scales (steps, norms, offsets) have their dtype; sums are float64.
    """

    def uniforms(self, keys: Keys, count: int) -> Tensor: ...  # noqa: D102
    def dither(self, keys: Keys, count: int) -> Tensor: ...  # noqa: D102
    def bins(self, keys: Keys, count: int) -> Tensor: ...  # noqa: D102

    def all_finite(self, rows: Tensor) -> bool: ...  # noqa: D102
    def peaks(self, rows: Tensor) -> Tensor: ...  # noqa: D102
    def squares(self, rows: Tensor) -> Tensor: ...  # noqa: D102
    def dots(self, a: Tensor, b: Tensor) -> Tensor: ...  # noqa: D102
    def exact_add(self, rows: Tensor, weights: Tensor, limbs: Tensor) -> int: ...  # noqa: D102

    def largest(self, rows: Tensor, count: int) -> Tensor:
        """Increasing positions, int64 [n, count], of the largest absolute values; of equal ones the first."""
        ...

    def drawn(self, keys: Keys, dim: int, count: int) -> Tensor:
        """Increasing positions, int64 [n, count], of the largest of ``dim`` random words: a uniform subset."""
        ...

    def dither_encode(self, rows: Tensor, steps: Tensor, keys: Keys, narrow: bool) -> tuple[Tensor, Tensor]:
        """Symbols, int8 if ``narrow`` or int32, and the rows that they decode to."""
        ...

    def dither_decode(self, symbols: Tensor, steps: Tensor, keys: Keys) -> Tensor: ...  # noqa: D102

    def levels_encode(self, rows: Tensor, norms: Tensor, levels: int, keys: Keys) -> Tensor:
        """Symbols, int8 where ``levels`` fit, or int32."""
        ...

    def levels_decode(self, symbols: Tensor, norms: Tensor, levels: int) -> Tensor: ...  # noqa: D102
    def hadamard(self, rows: Tensor, block: int) -> Tensor: ...  # noqa: D102

    def dead_zone_encode(
        self, rows: Tensor, steps: Tensor, threshold: float, cells: int, narrow: bool
    ) -> tuple[Tensor, Tensor]:
        """Symbols, int8 if ``narrow`` or int32, and the offsets of the cells, float64 [n, cells]."""
        ...

    def dead_zone_decode(self, symbols: Tensor, steps: Tensor, offsets: Tensor) -> Tensor: ...  # noqa: D102


NARROW = 127
"""Fewer levels than this are int8 symbols."""


class Host:
    """A set of NumPy-level kernels as row kernels: tensors of the CPU share their memory with arrays."""

    def __init__(self, kernels: Backend) -> None:
        self._kernels = kernels

    def uniforms(self, keys: Keys, count: int) -> Tensor:  # noqa: D102
        return torch.from_numpy(self._kernels.uniforms(keys, count))

    def dither(self, keys: Keys, count: int) -> Tensor:  # noqa: D102
        return torch.from_numpy(self._kernels.dither(keys, count))

    def bins(self, keys: Keys, count: int) -> Tensor:  # noqa: D102
        return torch.from_numpy(self._kernels.bins(keys, count))

    def all_finite(self, rows: Tensor) -> bool:  # noqa: D102
        return self._kernels.all_finite(rows.numpy())

    def peaks(self, rows: Tensor) -> Tensor:  # noqa: D102
        return torch.from_numpy(self._kernels.peaks(rows.numpy()))

    def squares(self, rows: Tensor) -> Tensor:  # noqa: D102
        return torch.from_numpy(self._kernels.squares(rows.numpy()))

    def dots(self, a: Tensor, b: Tensor) -> Tensor:  # noqa: D102
        return torch.from_numpy(self._kernels.dots(a.numpy(), b.numpy()))

    def exact_add(self, rows: Tensor, weights: Tensor, limbs: Tensor) -> int:  # noqa: D102
        return self._kernels.exact_add(rows.numpy(), weights.numpy(), limbs.numpy())

    def largest(self, rows: Tensor, count: int) -> Tensor:  # noqa: D102
        # The bits of non-negative floats are ordered as the floats are.
        bits = rows.abs().numpy().view(np.uint32 if rows.dtype == torch.float32 else np.uint64)
        found = [self._kernels.largest(row, count) for row in bits]
        return torch.from_numpy(np.stack(found))

    def drawn(self, keys: Keys, dim: int, count: int) -> Tensor:  # noqa: D102
        found = [self._kernels.largest(words, count) for words in self._kernels.words(keys, dim)]
        return torch.from_numpy(np.stack(found))

    def dither_encode(self, rows: Tensor, steps: Tensor, keys: Keys, narrow: bool) -> tuple[Tensor, Tensor]:  # noqa: D102
        symbols = np.empty(rows.shape, np.int8 if narrow else np.int32)
        received = self._kernels.dither_encode(rows.numpy(), steps.numpy(), keys, symbols)
        return torch.from_numpy(symbols), torch.from_numpy(received)

    def dither_decode(self, symbols: Tensor, steps: Tensor, keys: Keys) -> Tensor:  # noqa: D102
        return torch.from_numpy(self._kernels.dither_decode(symbols.numpy(), steps.numpy(), keys))

    def levels_encode(self, rows: Tensor, norms: Tensor, levels: int, keys: Keys) -> Tensor:  # noqa: D102
        symbols = np.empty(rows.shape, np.int8 if levels < NARROW else np.int32)
        self._kernels.levels_encode(rows.numpy(), norms.numpy(), levels, keys, symbols)
        return torch.from_numpy(symbols)

    def levels_decode(self, symbols: Tensor, norms: Tensor, levels: int) -> Tensor:  # noqa: D102
        return torch.from_numpy(self._kernels.levels_decode(symbols.numpy(), norms.numpy(), levels))

    def hadamard(self, rows: Tensor, block: int) -> Tensor:  # noqa: D102
        return torch.from_numpy(self._kernels.hadamard(rows.numpy(), block))

    def dead_zone_encode(  # noqa: D102
        self, rows: Tensor, steps: Tensor, threshold: float, cells: int, narrow: bool
    ) -> tuple[Tensor, Tensor]:
        symbols = np.empty(rows.shape, np.int8 if narrow else np.int32)
        offsets = self._kernels.dead_zone_encode(rows.numpy(), steps.numpy(), threshold, cells, symbols)
        return torch.from_numpy(symbols), torch.from_numpy(offsets)

    def dead_zone_decode(self, symbols: Tensor, steps: Tensor, offsets: Tensor) -> Tensor:  # noqa: D102
        return torch.from_numpy(self._kernels.dead_zone_decode(symbols.numpy(), steps.numpy(), offsets.numpy()))
