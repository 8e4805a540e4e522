"""Positions of a sparse row: the gaps between them, Rice-coded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.codecs import rice
from fedkd_compression.errors import OperatorError, WireError

if TYPE_CHECKING:
    from fedkd_compression.arrays import Counts, Octets


def encode_positions(positions: Counts, dim: int) -> bytes:
    """Strictly increasing positions [k] in [0, dim).

    Raises:
        OperatorError: they are not.
    """
    gaps = np.diff(positions, prepend=-1) - 1
    if len(gaps) == 0:
        return b""
    if gaps.min() < 0 or positions[-1] >= dim:
        raise OperatorError(f"Code: positions are not strictly increasing in [0, {dim}); sort them in encode")
    numbers = gaps.astype(np.uint32)
    return rice.encode(numbers, rice.parameter(numbers)[0])


def decode_positions(data: Octets, count: int, dim: int) -> Counts:
    """Read ``count`` positions, int64 [count].

    Raises:
        WireError: the data end early, or a position is not below dim.
    """
    if count == 0:
        return np.empty(0, np.int64)
    positions: Counts = np.cumsum(rice.decode(data, count)[0].astype(np.int64) + 1) - 1
    if positions[-1] >= dim:
        raise WireError(f"frame: a position is not below dim={dim}")
    return positions
