"""The operators, each in a file of its own; ``wrappers`` makes others of them."""

from __future__ import annotations

from fedkd_compression.operators.base import Coding, Named, Operator, Part, Traits
from fedkd_compression.operators.count_sketch import CountSketch
from fedkd_compression.operators.dead_zone import DeadZone
from fedkd_compression.operators.eden import EDEN
from fedkd_compression.operators.energy_svd import EnergySVD
from fedkd_compression.operators.float16 import Float16
from fedkd_compression.operators.identity import Identity
from fedkd_compression.operators.low_rank import LowRank
from fedkd_compression.operators.natural import Natural
from fedkd_compression.operators.qsgd import QSGD
from fedkd_compression.operators.rand_k import RandK
from fedkd_compression.operators.rand_p import RandP
from fedkd_compression.operators.sign import Sign
from fedkd_compression.operators.subtractive_dither import SubtractiveDither
from fedkd_compression.operators.terngrad import TernGrad
from fedkd_compression.operators.top_k import TopK

__all__ = [
    "EDEN",
    "QSGD",
    "Coding",
    "CountSketch",
    "DeadZone",
    "EnergySVD",
    "Float16",
    "Identity",
    "LowRank",
    "Named",
    "Natural",
    "Operator",
    "Part",
    "RandK",
    "RandP",
    "Sign",
    "SubtractiveDither",
    "TernGrad",
    "TopK",
    "Traits",
]
