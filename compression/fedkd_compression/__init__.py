"""Compression operators whose messages are real bytes; usable alone (torch, NumPy, numba).

frames, received = compress(SubtractiveDither(step=1.0), rows, Key.of(0, "uplink", 3))
received         = decompress(SubtractiveDither(step=1.0), frames, Key.of(0, "uplink", 3), dim)

``fedkd_compression.rates`` chooses an operator's parameter, ``fedkd_compression.testing`` has the laws that every
operator obeys, and ``python -m fedkd_compression.bench`` prints what each costs.
"""

from __future__ import annotations

from fedkd_compression.code import Code
from fedkd_compression.codecs import StaticModel
from fedkd_compression.compressor import compress, compress_in_pieces, decompress, decompress_sum, measure
from fedkd_compression.errors import OperatorError, WireError
from fedkd_compression.kernels import use_threads
from fedkd_compression.keys import Key
from fedkd_compression.operators import (
    EDEN,
    QSGD,
    Coding,
    CountSketch,
    DeadZone,
    EnergySVD,
    Float16,
    Identity,
    LowRank,
    Named,
    Natural,
    Operator,
    Part,
    RandK,
    RandP,
    Sign,
    SubtractiveDither,
    TernGrad,
    TopK,
    Traits,
)
from fedkd_compression.sums import ExactSum, exact_total
from fedkd_compression.wire import Lengths, Sizes, checksum, sizes
from fedkd_compression.wrappers import Bucketed, BySize, Clipped, Coded, Compose, Induced, PerTensor, Rotated, Scaled

__all__ = [
    "EDEN",
    "QSGD",
    "Bucketed",
    "BySize",
    "Clipped",
    "Code",
    "Coded",
    "Coding",
    "Compose",
    "CountSketch",
    "DeadZone",
    "EnergySVD",
    "ExactSum",
    "Float16",
    "Identity",
    "Induced",
    "Key",
    "Lengths",
    "LowRank",
    "Named",
    "Natural",
    "Operator",
    "OperatorError",
    "Part",
    "PerTensor",
    "RandK",
    "RandP",
    "Rotated",
    "Scaled",
    "Sign",
    "Sizes",
    "StaticModel",
    "SubtractiveDither",
    "TernGrad",
    "TopK",
    "Traits",
    "WireError",
    "checksum",
    "compress",
    "compress_in_pieces",
    "decompress",
    "decompress_sum",
    "exact_total",
    "measure",
    "sizes",
    "use_threads",
]
