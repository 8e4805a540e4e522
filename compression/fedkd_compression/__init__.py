"""Compression operators whose messages are real bytes; usable alone (torch, NumPy, numba).

frames, received = compress(SubtractiveDither(step=1.0), rows, Key.of(0, "uplink", 3))
received         = decompress(SubtractiveDither(step=1.0), frames, Key.of(0, "uplink", 3), dim)
"""

from __future__ import annotations

from fedkd_compression.code import Code
from fedkd_compression.compressor import compress, decompress
from fedkd_compression.errors import OperatorError, WireError
from fedkd_compression.keys import Key
from fedkd_compression.operators import QSGD, Float16, Identity, Operator, RandK, SubtractiveDither, TopK, Traits
from fedkd_compression.wire import Sizes, sizes

__all__ = [
    "QSGD",
    "Code",
    "Float16",
    "Identity",
    "Key",
    "Operator",
    "OperatorError",
    "RandK",
    "Sizes",
    "SubtractiveDither",
    "TopK",
    "Traits",
    "WireError",
    "compress",
    "decompress",
    "sizes",
]
