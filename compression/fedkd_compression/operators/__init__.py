"""The operators, each in a file of its own."""

from __future__ import annotations

from fedkd_compression.operators.base import Operator, Traits
from fedkd_compression.operators.float16 import Float16
from fedkd_compression.operators.identity import Identity
from fedkd_compression.operators.qsgd import QSGD
from fedkd_compression.operators.rand_k import RandK
from fedkd_compression.operators.subtractive_dither import SubtractiveDither
from fedkd_compression.operators.top_k import TopK

__all__ = ["QSGD", "Float16", "Identity", "Operator", "RandK", "SubtractiveDither", "TopK", "Traits"]
