"""The operators of the tests by name: a new operator is a row here.

Each is tried on every law and every input, in a second process, on every backend; has golden frames; and is fuzzed.
"""

import numpy as np

from fedkd_compression import (
    EDEN,
    QSGD,
    Bucketed,
    BySize,
    Clipped,
    Coded,
    Compose,
    CountSketch,
    DeadZone,
    EnergySVD,
    Float16,
    Identity,
    Induced,
    LowRank,
    Named,
    Natural,
    Operator,
    PerTensor,
    RandK,
    RandP,
    Rotated,
    Scaled,
    Sign,
    StaticModel,
    SubtractiveDither,
    TernGrad,
    TopK,
)

MATRIX_AND_BIAS = (Named("layer.weight", (4, 4)), Named("layer.bias", (4,)))
LEVELS = np.array([0] * 9 + [1, -1] * 3 + [2, -2, 3], np.int32)
BINS = np.arange(len(LEVELS), dtype=np.uint8) % 16

OPERATORS: dict[str, Operator] = {
    "identity": Identity(),
    "float16": Float16(),
    "qsgd": QSGD(levels=4, norm="l2"),
    "qsgd_1": QSGD(levels=1, norm="l2"),
    "qsgd_max": QSGD(levels=1, norm="max"),
    "qsgd_max_4": QSGD(levels=4, norm="max"),
    "qsgd_max_1000": QSGD(levels=1000, norm="max"),
    "dither_coarse": SubtractiveDither(step=2.5),
    "dither": SubtractiveDither(step=1.0),
    "dither_quarter": SubtractiveDither(step=0.25),
    "dither_fine": SubtractiveDither(step=0.01),
    "dead_zone": DeadZone(step=1.0),
    "dead_zone_coarse": DeadZone(step=2.5, threshold=0.8),
    "dead_zone_fine": DeadZone(step=0.05),
    "eden_1": EDEN(bits=1),
    "eden_2": EDEN(bits=2),
    "eden_4": EDEN(bits=4, block=8),
    "eden_unbiased": EDEN(bits=2, scale="unbiased", block=16),
    "natural": Natural(),
    "terngrad": TernGrad(),
    "sign": Sign(),
    "rand_k": RandK(k=5),
    "rand_1": RandK(k=1),
    "rand_p": RandP(probability=0.25),
    "top_k": TopK(fraction=0.25),
    "top_3": TopK(k=3),
    "count_sketch": CountSketch(columns=6),
    "count_sketch_deep": CountSketch(columns=4, depth=3),
    "low_rank": LowRank(rank=1),
    "low_rank_2": LowRank(rank=2, height=4),
    "energy_svd": EnergySVD(energy=0.5),
    "bucketed": Bucketed(QSGD(levels=4), size=8),
    "bucketed_dither": Bucketed(SubtractiveDither(step=1.0), size=128),
    "by_size": BySize(small=Identity(), large=SubtractiveDither(step=1.0), limit=100),
    "coded": Coded(QSGD(levels=4, norm="max"), StaticModel.fit(LEVELS)),
    "coded_dither": Coded(SubtractiveDither(step=1.0), StaticModel.fit(LEVELS, BINS)),
    "clipped": Clipped(QSGD(levels=4, norm="max"), limit=2.5),
    "top_k_of_dead_zone": Compose(TopK(fraction=0.25), DeadZone(step=0.5)),
    "rand_k_of_dither": Compose(RandK(k=5), SubtractiveDither(step=1.0)),
    "induced": Induced(TopK(fraction=0.25), RandK(k=5)),
    "induced_twice": Induced(DeadZone(step=2.0), Bucketed(QSGD(levels=2), size=16)),
    "per_tensor": PerTensor({"*.bias": Identity(), "*": LowRank(rank=1)}, MATRIX_AND_BIAS),
    "per_tensor_nested": PerTensor({"*.bias": Float16(), "*": Compose(TopK(k=4), QSGD(levels=4))}, MATRIX_AND_BIAS),
    "rotated": Rotated(TernGrad(), block=64),
    "scaled": Scaled(RandK(k=5)),
    "scaled_natural": Scaled(Natural()),
}

HALF_RANGE = ("dense", "heavy", "one_hot", "zeros", "constant", "float16", "bfloat16", "float64", "huge")
"""Float16 states its delta for coordinates in half precision's normal range; it refuses larger ones."""

INPUTS_OF = {"float16": HALF_RANGE, "per_tensor_nested": HALF_RANGE}
"""Inputs that an operator's bounds cover, where not all."""
