"""What is on the map: families of operators, each at a few settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fedkd_compression.operators import (
    EDEN,
    QSGD,
    CountSketch,
    DeadZone,
    EnergySVD,
    Float16,
    Identity,
    LowRank,
    Natural,
    Operator,
    RandK,
    RandP,
    Sign,
    SubtractiveDither,
    TernGrad,
    TopK,
)
from fedkd_compression.wrappers import Bucketed, Compose, Induced, Rotated, Scaled

Group: TypeAlias = Literal["grid", "levels", "rotation", "sparse", "signs", "other", "yours"]
"""Families of one idea, which share a colour."""
_BUCKET = 512
_MATRICES = 1 << 16


@dataclass(frozen=True)
class Family:
    """An operator at several settings: a curve on the map.

    Args:
        name: in tables and pictures.
        group: its colour.
        unbiased: which of Shannon's limits it is held against.
        at: its settings for rows of a dimension.
        most: longer rows are cut to this many coordinates: matrix products take much longer than all else here, and
            what they give for independent coordinates depends on the ratio of rank and height alone.
    """

    name: str
    group: Group
    unbiased: bool
    at: Callable[[int], Sequence[Operator]]
    most: int | None = None


def _share(dim: int, share: float) -> int:
    return max(1, round(share * dim))


def _levels(dim: int, steps: Sequence[float]) -> list[int]:
    """Levels of the Euclidean norm that are so many root mean squares apart; of equal ones the first."""
    return list(dict.fromkeys(max(1, round(math.sqrt(dim) / step)) for step in steps))


def _ranks(dim: int) -> list[int]:
    return list(dict.fromkeys(_share(math.isqrt(dim), share) for share in (1 / 64, 1 / 32, 1 / 16)))


_STEPS = (0.25, 0.5, 1.0, 2.0, math.sqrt(12 * 0.52), 4.0, 8.0)

_UNBIASED = (
    Family("SubtractiveDither", "grid", True, lambda dim: [SubtractiveDither(step=step) for step in _STEPS]),
    Family(
        "QSGD", "levels", True, lambda dim: [QSGD(levels=levels) for levels in _levels(dim, (0.5, 1.0, 2.0, 4.0, 8.0))]
    ),
    Family(
        "Bucketed QSGD",
        "levels",
        True,
        lambda dim: [Bucketed(QSGD(levels=levels), _BUCKET) for levels in (4, 8, 16, 32, 64)],
    ),
    Family("QSGD max", "levels", True, lambda dim: [QSGD(levels=levels, norm="max") for levels in (2, 4, 16)]),
    Family(
        "Rotated QSGD max",
        "levels",
        True,
        lambda dim: [Rotated(QSGD(levels=levels, norm="max")) for levels in (2, 4, 16)],
    ),
    Family("TernGrad", "signs", True, lambda dim: [TernGrad()]),
    Family("Natural", "signs", True, lambda dim: [Natural()]),
    Family("EDEN unbiased", "rotation", True, lambda dim: [EDEN(bits=bits, scale="unbiased") for bits in (1, 2, 3)]),
    Family("RandK", "sparse", True, lambda dim: [RandK(k=_share(dim, share)) for share in (0.05, 0.1, 0.13)]),
    Family("RandP", "sparse", True, lambda dim: [RandP(probability=0.1)]),
    Family("CountSketch", "sparse", True, lambda dim: [CountSketch(columns=_share(dim, 0.1))]),
    Family(
        "RandK + dither",
        "sparse",
        True,
        lambda dim: [Compose(RandK(k=_share(dim, share)), SubtractiveDither(step=1.0)) for share in (0.1, 0.3, 0.6)],
    ),
    Family(
        "Induced TopK",
        "other",
        True,
        lambda dim: [Induced(TopK(fraction=0.01), SubtractiveDither(step=step)) for step in (1.0, 2.0, 4.0)],
    ),
    Family("Identity", "other", True, lambda dim: [Identity()]),
)
_BIASED = (
    Family(
        "DeadZone", "grid", False, lambda dim: [DeadZone(step=step) for step in (0.5, 1.0, 1.5, 2.0, 2.5, 3.5, 5.0)]
    ),
    Family(
        "Scaled dither",
        "grid",
        False,
        lambda dim: [Scaled(SubtractiveDither(step=step)) for step in (1.0, 2.0, 4.0, 8.0)],
    ),
    Family("EDEN", "rotation", False, lambda dim: [EDEN(bits=bits) for bits in (1, 2, 3)]),
    Family("Sign", "signs", False, lambda dim: [Sign()]),
    Family("TopK", "sparse", False, lambda dim: [TopK(fraction=share) for share in (0.003, 0.01, 0.03, 0.1)]),
    Family(
        "TopK + DeadZone",
        "sparse",
        False,
        lambda dim: [Compose(TopK(fraction=share), DeadZone(step=0.5)) for share in (0.01, 0.03, 0.1, 0.3)],
    ),
    Family("LowRank", "other", False, lambda dim: [LowRank(rank=rank) for rank in _ranks(dim)], _MATRICES),
    Family("EnergySVD", "other", False, lambda dim: [EnergySVD(energy=energy) for energy in (0.25, 0.5)], _MATRICES),
    Family("Float16", "other", False, lambda dim: [Float16()]),
)
FAMILIES = _UNBIASED + _BIASED


def own(operator: Operator) -> Family:
    """A user's operator as a family of one setting."""
    return Family(type(operator).__name__, "yours", operator.traits.unbiased, lambda dim: [operator])
