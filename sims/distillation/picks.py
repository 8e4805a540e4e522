"""What validation data pick, and which rows are compared with which."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sims.distillation.targets import Target

WEIGHT = 0.5
"""The paper's weight of the distillation term."""
DECLARED = Target(WEIGHT, 3.0, 2.0)
"""An asymmetric pair that is measured whatever validation says."""


@dataclass(frozen=True)
class Row:
    """A line of the tables.

    Args:
        chosen: place of its target, one a seed.
    """

    label: str
    chosen: tuple[int, ...]


class Comparison(NamedTuple):
    """Two rows, seed by seed: the first minus the second."""

    label: str
    first: str
    second: str


COMPARISONS = (
    Comparison("ATS - TS", "ATS", "TS"),
    Comparison("ATS - TS, picked by seed", "ATS by seed", "TS by seed"),
    Comparison("ATS(3, 2) - TS", "ATS(3, 2)", "TS"),
    Comparison("ATS - TS, any weight", "ATS any weight", "TS any weight"),
    Comparison("TS - CE", "TS", "CE"),
    Comparison("ATS - CE", "ATS", "CE"),
)


def rows(targets: Sequence[Target], validation: Sequence[Sequence[float]]) -> list[Row]:
    """The rows that go on to the test split.

    Args:
        targets: those that were tried.
        validation: accuracy of each, [seed][target].
    """
    seeds = len(validation)
    found = [Row("CE", (0,) * seeds)]
    for kind in ("TS", "ATS"):
        usual = [place for place, one in enumerate(targets) if one.kind == kind and one.kd_weight == WEIGHT]
        every = [place for place, one in enumerate(targets) if one.kind == kind]
        found.append(Row(kind, (best(usual, validation),) * seeds))
        found.append(Row(f"{kind} by seed", tuple(best(usual, [one]) for one in validation)))
        found.append(Row(f"{kind} any weight", (best(every, validation),) * seeds))
    return [*found, Row(DECLARED.name, (targets.index(DECLARED),) * seeds)]


def best(places: Sequence[int], validation: Sequence[Sequence[float]]) -> int:
    """The target with the highest mean over the seeds; the first of equals."""
    return max(places, key=lambda place: statistics.fmean(one[place] for one in validation))


def differences(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """In points, seed by seed."""
    return [100 * (one - other) for one, other in zip(first, second, strict=True)]


def verdict(values: Sequence[float]) -> str:
    """What differences say: all seeds but one must agree, and the mean must exceed its standard error twice."""
    wins, mean = sum(value > 0 for value in values), statistics.fmean(values)
    if len(values) < 2 or abs(mean) <= 2 * error(values):
        return "even"
    if mean > 0 and wins >= len(values) - 1:
        return "wins"
    losses = sum(value < 0 for value in values)
    return "loses" if mean < 0 and losses >= len(values) - 1 else "even"


def error(values: Sequence[float]) -> float:
    """Standard error of the mean."""
    return statistics.stdev(values) / math.sqrt(len(values))
