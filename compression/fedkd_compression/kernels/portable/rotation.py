"""The fast Walsh-Hadamard transform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fedkd_compression.arrays import Floats


def hadamard(rows: Floats, block: int) -> Floats:
    """Every block of consecutive coordinates of rows [n, d] through the Walsh-Hadamard matrix of signs, as new rows.

    Stages h = 1, 2, 4, .. < block replace (x_i, x_(i+h)) by (x_i + x_(i+h), x_i - x_(i+h)) in the rows' dtype. Nothing
    is normalised: twice gives block times the rows. ``block`` is a power of two that divides d.
    """
    out, h = rows.copy(), 1
    with np.errstate(over="ignore", invalid="ignore"):
        while h < block:
            pairs = out.reshape(-1, 2, h) if out.size else out.reshape(0, 2, h)
            low, high = pairs[:, 0], pairs[:, 1]
            out = np.stack((low + high, low - high), axis=1).reshape(rows.shape)
            h *= 2
    return out
