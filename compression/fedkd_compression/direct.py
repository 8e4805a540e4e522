"""The shortest way to lengths: for the operators of studies, on rows that are small and in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd_compression import kernels, wire
from fedkd_compression.body import put_count
from fedkd_compression.codecs.lengths import known
from fedkd_compression.operators.norms import l2_norms
from fedkd_compression.operators.qsgd import QSGD
from fedkd_compression.operators.subtractive_dither import SubtractiveDither
from fedkd_compression.wire import Lengths

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key
    from fedkd_compression.operators.base import Operator

LONGEST = 8191
"""Symbols of one lane."""
_FEW_LEVELS = 127
_SIDE = 8


def direct(operator: Operator, rows: Tensor, key: Key) -> tuple[Lengths, Tensor] | None:
    """What ``measure`` gives, in one call of a kernel; None where this way does not serve."""
    fits = rows.dtype == torch.float64 and rows.device.type == "cpu" and rows.ndim == 2 and rows.is_contiguous()
    if not fits or not 0 < rows.shape[1] <= LONGEST or len(key.rows) != len(rows) or not len(rows):
        return None
    if kernels.chosen() != "numba" or rows.requires_grad:
        return None
    from fedkd_compression.kernels.compiled import direct as compiled

    if type(operator) is QSGD and operator.norm == "l2" and operator.levels < _FEW_LEVELS:
        norms = l2_norms(rows).numpy()
        found = compiled.levels(rows.numpy(), norms, operator.levels, key.array(), known(True, rows.shape[1]))
    elif type(operator) is SubtractiveDither:
        operator.check(rows.shape[1])
        steps = operator.spacings(rows).numpy()
        found = compiled.dither(rows.numpy(), steps, key.array(), known(True, rows.shape[1]))
    else:
        return None
    if found is None:
        return None
    _, received, bytes_ = found
    header = wire.least_header(rows.shape[1]) + len(put_count(1, rows.shape[1])) + 1
    lengths = Lengths(np.full(len(rows), header), np.full(len(rows), _SIDE), bytes_)
    return lengths, torch.from_numpy(received)
