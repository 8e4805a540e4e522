"""The picture's contents: distortion against bits, a curve for every family, a panel for every kind of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fedkd_compression.bench.catalogue import FAMILIES, Group
from fedkd_compression.bench.limits import distortion_at
from fedkd_compression.bench.measure import Measurement
from fedkd_compression.bench.rows import UPDATES, Rows

GROUPS: tuple[Group, ...] = ("grid", "levels", "rotation", "sparse", "signs", "other", "yours")
"""In the order of their colours."""
MOST_BITS = 4.5
_RANGES = {True: (3e-3, 30.0), False: (1e-2, 1.3)}
_LIMIT_POINTS = 120


@dataclass(frozen=True)
class Curve:
    """One family.

    Args:
        colour: index of its group.
        marker: index within the group.
        points: bits and distortion, by bits.
    """

    name: str
    colour: int
    marker: int
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Panel:
    """Curves on one kind of rows, unbiased or not.

    Args:
        limits: Shannon's own limit for these operators, and the other one; each for Gaussian rows.
        low: distortion at the bottom.
        high: distortion at the top.
    """

    rows: str
    title: str
    unbiased: bool
    curves: tuple[Curve, ...]
    limits: tuple[Curve, Curve]
    low: float
    high: float

    @property
    def vertical(self) -> str:
        """What the vertical axis shows."""
        return "omega" if self.unbiased else "nmse"


def panels(found: Sequence[Measurement], kinds: Sequence[Rows]) -> list[Panel]:
    """Unbiased and biased operators on Gaussian rows and on updates; on the first two kinds where these are missing."""
    names = [rows.name for rows in kinds]
    shown = [name for name in ("gaussian", UPDATES) if name in names] or names[:2]
    drawn = [
        _panel([each for each in found if each.rows == name and each.unbiased == unbiased], name, unbiased)
        for unbiased in (True, False)
        for name in shown
    ]
    return [panel for panel in drawn if panel.curves]


def colour(name: str) -> int:
    """Index of a family's group."""
    return GROUPS.index(next((family.group for family in FAMILIES if family.name == name), "yours"))


def marker(name: str, unbiased: bool) -> int:
    """Index of a family among those of its group that are in one panel with it."""
    beside = [family.name for family in FAMILIES if family.unbiased == unbiased and colour(family.name) == colour(name)]
    return beside.index(name) if name in beside else 0


def _panel(found: Sequence[Measurement], rows: str, unbiased: bool) -> Panel:
    low, high = _RANGES[unbiased]
    names = list(dict.fromkeys(each.family for each in found))
    curves = []
    for name in names:
        points = sorted((each.bits, each.distortion) for each in found if each.family == name)
        inside = [point for point in points if point[0] <= MOST_BITS and low <= point[1] <= high]
        if inside:
            curves.append(Curve(name, colour(name), marker(name, unbiased), tuple(points)))
    kind = "real updates" if rows == UPDATES else f"{rows.capitalize()} rows"
    title = f"{'Unbiased' if unbiased else 'Biased'} operators, {kind}"
    return Panel(rows, title, unbiased, tuple(curves), (_limit(unbiased), _limit(not unbiased)), low, high)


def _limit(unbiased: bool) -> Curve:
    """Shannon's limit as a curve."""
    bits = [0.01 * (MOST_BITS / 0.01) ** (i / _LIMIT_POINTS) for i in range(_LIMIT_POINTS + 1)]
    name = "Shannon, unbiased" if unbiased else "Shannon, biased"
    return Curve(name, 0, 0, tuple((each, distortion_at(each, unbiased)) for each in bits))
