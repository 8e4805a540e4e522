"""Duals of a matching, learned by name: online gradient descent on |x - x*|_1 in a box."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkd.errors import ConfigurationError
from fedkd.predict.matching import Matching
from fedkd.predict.regret import Learner, Regret

Floats = NDArray[np.float64]


@dataclass(slots=True)
class _Name:
    """A prediction, how often it was wrong, and what came of it in this sitting."""

    value: float = 0.0
    errors: int = 0
    outcomes: array[float] = field(default_factory=lambda: array("d"))


class Duals(Learner):
    """Predicts a dual for each row and column of a matching, by the names of what they stand for.

    U_t(x) = |x - x*(c_t)|_1 over the names of instance t; cost = dual updates, at most 2 U_t (see ``assign``). Names
    are independent of each other. Each starts at 0; its s-th error moves it in [-C, C] by at most rate_s:
        x <- argmin over z in the box of |z - x*| + (z - x)^2/(2 rate_s),   rate_s = sqrt(2) C/sqrt(s),
    a gradient step that ends at the outcome instead of passing it.

    Regret. With d_s the distance to any fixed x of the box, the minimum gives, for each step that moves,
        |x_s - x*| - |x - x*| <= (d_s^2 - d_{s+1}^2)/(2 rate_s) + rate_s/2,   d_s <= 2 C,
    so the sum of a name's N errors is at most (2 C)^2/(2 rate_N) + sum of rate_s/2 above that of the best x, and
        regret <= sum over names of 2 sqrt(2) C sqrt(N) <= 2 sqrt(2) C n sqrt(T),
    for every sequence, outcomes outside the box too. The paper's rate C/sqrt(T) needs the horizon T, and gives
    C n sqrt(T).

    Memory: one small record per name, and with hindsight 8 bytes for each of its outcomes in this sitting.

    Args:
        box: C > 0, in the costs' unit: how large duals may be. Larger ones are predicted as that.
        hindsight: whether outcomes are remembered; without them the best fixed prediction is not known (NaN).

    Raises:
        ConfigurationError: box is not finite and positive.

    Example:
        >>> duals = Duals(box=10.0)
        >>> costs = np.array([[4, 1], [2, 0]])
        >>> duals.observe([7, 3], [0, 1], assign(costs, *duals.suggest([7, 3], [0, 1])))
        >>> assign(costs, *duals.suggest([7, 3], [0, 1])).updates
        0
    """

    def __init__(self, box: float, hindsight: bool = True) -> None:
        self.box, self._hindsight = float(box), hindsight
        if not 0 < self.box < math.inf:
            raise ConfigurationError(f"Duals: box={self.box:g} is not in (0, inf); choose box > 0")
        self._rows: dict[int, _Name] = {}
        self._columns: dict[int, _Name] = {}
        self._count = self._updates = 0
        self._surrogate = 0.0

    def suggest(self, rows: Sequence[int], columns: Sequence[int]) -> tuple[Floats, Floats]:
        """Predicted duals of rows [n] and columns [m], for ``assign``; 0 for names that are not known.

        Of rows that are not known nothing is lost: ``assign`` raises every row to its least slack.
        """
        return _values(self._rows, rows), _values(self._columns, columns)

    def observe(self, rows: Sequence[int], columns: Sequence[int], matching: Matching) -> None:
        """Learn from the duals of a matching that was started from ``suggest`` of these names.

        Raises:
            ConfigurationError: there are not as many names as duals, or one comes twice.
        """
        sides = (("rows", self._rows, rows, matching.rows), ("columns", self._columns, columns, matching.columns))
        for side, _, names, duals in sides:
            if len(names) != len(duals) or len(set(names)) != len(names):
                raise ConfigurationError(f"Duals: {len(set(names))} names for {len(duals)} {side}; give one for each")
        for _, known, names, duals in sides:
            for name, dual in zip(names, duals.tolist(), strict=True):
                self._surrogate += self._learn(known.setdefault(name, _Name()), float(dual))
        self._count += 1
        self._updates += matching.updates

    @property
    def bound(self) -> float:
        """Of the sum of regrets, from how often each name was wrong."""
        names = (each for known in (self._rows, self._columns) for each in known.values())
        return math.sqrt(8) * self.box * sum(math.sqrt(each.errors) for each in names)

    def regret(self) -> Regret:
        """Surrogate |x - x*|_1, its best fixed x in the box (a median per name), and dual updates as the cost."""
        best = math.nan
        if self._hindsight:
            best = sum(self._best(each.outcomes) for known in (self._rows, self._columns) for each in known.values())
        return Regret(self._count, self._surrogate, best, float(self._updates))

    def keep(self) -> dict[str, Any]:
        """All that was learned, as numbers and arrays; the regret is of one sitting."""
        return {
            "box": self.box,
            "hindsight": self._hindsight,
            "rows": _kept(self._rows),
            "columns": _kept(self._columns),
        }

    @staticmethod
    def resumed(kept: Mapping[str, Any]) -> Duals:
        """With all that was learned before."""
        found = Duals(kept["box"], kept["hindsight"])
        for known, side in ((found._rows, "rows"), (found._columns, "columns")):
            known |= {int(name): _Name(value, int(errors)) for name, value, errors in kept[side].tolist()}
        return found

    def _learn(self, name: _Name, dual: float) -> float:
        error = dual - name.value
        if self._hindsight:
            name.outcomes.append(dual)
        if error:
            name.errors += 1
            rate = math.sqrt(2 / name.errors) * self.box
            name.value = self._boxed(name.value + min(max(error, -rate), rate))
        return abs(error)

    def _boxed(self, value: float) -> float:
        return min(max(value, -self.box), self.box)

    def _best(self, outcomes: array[float]) -> float:
        found = np.array(outcomes)
        return float(np.abs(found - self._boxed(float(np.median(found)))).sum()) if len(found) else 0.0


def _values(known: dict[int, _Name], names: Sequence[int]) -> Floats:
    unknown = _Name()
    return np.array([known.get(name, unknown).value for name in names], np.float64)


def _kept(known: dict[int, _Name]) -> Floats:
    return np.array([(name, each.value, each.errors) for name, each in known.items()], np.float64).reshape(-1, 3)
