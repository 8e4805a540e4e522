"""The kernels of CUDA devices: dither, levels and sums in Triton, each in one pass; tensor operations for the rest.

A tensor operation is a launch and a pass over memory. Hashing and rounding would take about twenty, a sum in its order
about a thousand.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
import triton

from fedkd_compression.kernels.tensors import Tensors
from fedkd_compression.kernels.triton import dither, levels, sums

if TYPE_CHECKING:
    from fedkd_compression.kernels.rows import RowKernels


class Compiled(Tensors):
    """Row kernels for the tensors of one device that Triton compiles for."""

    dots = staticmethod(sums.dots)
    squares = staticmethod(sums.squares)
    dither_encode = staticmethod(dither.dither_encode)
    dither_decode = staticmethod(dither.dither_decode)
    levels_encode = staticmethod(levels.levels_encode)
    levels_decode = staticmethod(levels.levels_decode)


def rows(device: str) -> RowKernels:
    """The kernels for tensors of a device: of tensor operations where Triton cannot compile for it."""
    return Compiled(device) if _serves(device) else Tensors(device)


def _serves(device: str) -> bool:
    if device.startswith("cpu"):
        return bool(triton.knobs.runtime.interpret)
    try:
        one = torch.ones(1, 1, device=device)
        Compiled(device).levels_decode(one.to(torch.int8), one[0], 1)
    except Exception as error:
        # It needs a C compiler and a card that it knows: whatever is missing, tensor operations give the same.
        warnings.warn(f"Triton cannot compile for {device} ({error}); using tensor operations", stacklevel=4)
        return False
    return True
