"""Where a round's clients are trained when a state lies with one worker, or with the workers of one host: at one home.

At first everyone stays. A home's load is the predicted seconds of its clients over its speed; the round ends with the
largest load. Homes above a level give clients away, either their longest or their shortest, and all workers wait while
these states move. Of 16 levels between the mean load and the largest, and of staying, that is chosen with the least

    end of the round + moving seconds x states that move.

Those who leave, and those who have no home yet, are matched with homes at least cost, longest first, in waves of half
as many clients as there are homes, so that a full one is left out. The cost of client i at home h is the square of the
load that it makes there, (load_h + s_i/speed_h)^2 in units of the mean client's seconds: the least sum of squares is
even.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkd.predict import Duals, Regret, assign

SCALE = 1000
"""Costs are integers: so many for the square of the mean client's seconds."""
BOX = 1e6
"""Duals are predicted within these: a load 30 mean clients above the least."""
MOST = 1e4
"""Mean clients: loads above the least are all the same beyond this."""
LEVELS = 16
"""That are tried, between the mean load and the largest."""
TINY = 1e-12

Floats = NDArray[np.float64]


class Matched:
    """Matches cohorts with homes; the duals of clients and homes, learned in earlier rounds, warm-start each matching.

    Example:
        >>> seconds = {0: 3.0, 1: 1.0, 2: 1.0, 3: 1.0}
        >>> Matched().place(seconds, {7: 1.0, 8: 1.0}, {}, moving=0.1)
        {0: 7, 1: 8, 2: 8, 3: 8}
        >>> Matched().place(seconds, {7: 1.0, 8: 1.0}, dict.fromkeys(seconds, 7), moving=0.1)
        {0: 8, 1: 7, 2: 7, 3: 7}
        >>> Matched().place(seconds, {7: 1.0, 8: 1.0}, dict.fromkeys(seconds, 7), moving=4.0)
        {0: 7, 1: 7, 2: 7, 3: 7}
    """

    def __init__(self) -> None:
        self._duals = Duals(BOX, hindsight=False)

    def place(
        self, seconds: Mapping[int, float], speeds: Mapping[int, float], homes: Mapping[int, int], moving: float
    ) -> dict[int, int]:
        """The home of every client.

        Args:
            seconds: predicted of each client on a worker of factor 1.
            speeds: of each home: the sum of its workers' inverse factors, > 0.
            homes: where a client's state is; a client that has none is not in it.
            moving: seconds for which all wait while one state moves.
        """
        unit = max(sum(seconds.values()) / max(len(seconds), 1), TINY)
        load = {
            home: {client: seconds[client] / speed for client in seconds if homes.get(client) == home}
            for home, speed in speeds.items()
        }
        leaving = _Cohort(load, seconds, speeds, moving).leaving()
        placed = {client: homes[client] for client in seconds if client in homes and client not in leaving}
        loads = {home: sum(some.values()) for home, some in load.items()}
        for client in leaving:
            loads[homes[client]] -= load[homes[client]][client]
        placed |= self._spread(
            {client: seconds[client] / unit for client in seconds if client not in placed},
            speeds,
            {home: value / unit for home, value in loads.items()},
        )
        return {client: placed[client] for client in seconds}

    def regret(self) -> Regret:
        """What the predicted duals cost: dual updates of the matchings, beside none for true duals."""
        return self._duals.regret()

    def keep(self) -> dict[str, Any]:
        """All that was learned, as numbers and arrays."""
        return self._duals.keep()

    @staticmethod
    def resumed(kept: Mapping[str, Any]) -> Matched:
        """With all that was learned before."""
        found = Matched()
        found._duals = Duals.resumed(kept)
        return found

    def _spread(
        self, seconds: Mapping[int, float], speeds: Mapping[int, float], loads: Mapping[int, float]
    ) -> dict[int, int]:
        """Homes of clients that may go anywhere, wave by wave."""
        names = sorted(speeds)
        clients = sorted(seconds, key=lambda client: (-seconds[client], client))
        slowness = np.array([1 / speeds[home] for home in names])
        level, placed = np.array([loads[home] for home in names]), dict[int, int]()
        wave = (len(names) + 1) // 2
        for first in range(0, len(clients), wave):
            some = clients[first : first + wave]
            ends = level - level.min() + np.outer([seconds[client] for client in some], slowness)
            for client, chosen in zip(some, self._match(some, names, ends), strict=True):
                level[chosen] += seconds[client] * slowness[chosen]
                placed[client] = names[chosen]
        return placed

    def _match(self, clients: Sequence[int], homes: Sequence[int], ends: Floats) -> list[int]:
        """The column of each client, at the least sum of squares."""
        costs = np.rint(SCALE * np.minimum(ends, MOST) ** 2).astype(np.int64)
        found = assign(costs, *self._duals.suggest(clients, homes))
        self._duals.observe(clients, homes, found)
        chosen: list[int] = found.chosen.tolist()
        return chosen


@dataclass(frozen=True)
class _Cohort:
    """A round before anyone moves.

    Args:
        load: seconds that each client takes at its home, by home.
        seconds: predicted of every client, on a worker of factor 1.
        speeds: of each home.
        moving: seconds for which all wait while one state moves.
    """

    load: Mapping[int, Mapping[int, float]]
    seconds: Mapping[int, float]
    speeds: Mapping[int, float]
    moving: float

    def leaving(self) -> frozenset[int]:
        """Clients that leave their homes, for the round to end first; of several such sets the smallest."""
        loads = [sum(some.values()) for some in self.load.values()]
        largest, mean = max(loads), sum(self.seconds.values()) / sum(self.speeds.values())
        levels = np.linspace(mean, largest, LEVELS, endpoint=False).tolist() if largest > mean else []
        sets = {self._above(level, order) for level in levels for order in (-1, 1)} | {frozenset[int]()}
        return min(sets, key=lambda left: (self._end(left), len(left), sorted(left)))

    @cached_property
    def _new(self) -> list[int]:
        """Clients that have no home yet."""
        homed = {client for some in self.load.values() for client in some}
        return [client for client in self.seconds if client not in homed]

    def _above(self, level: float, order: int) -> frozenset[int]:
        """Clients without whom no load is above a level, the longest first (order -1) or the shortest (1)."""
        left: list[int] = []
        for some in self.load.values():
            left += _given_away(some, sum(some.values()) - level, order)
        return frozenset(left)

    def _end(self, left: frozenset[int]) -> float:
        """When the round is over if these leave: with the new ones, the longest first, each to where it ends first."""
        stay = [sum(s for client, s in some.items() if client not in left) for some in self.load.values()]
        ends, slowness = np.array(stay), np.array([1 / self.speeds[home] for home in self.load])
        for seconds in sorted((self.seconds[client] for client in (*self._new, *left)), reverse=True):
            after = ends + seconds * slowness
            best = int(after.argmin())
            ends[best] = after[best]
        return float(ends.max()) + self.moving * len(left)


def _given_away(some: Mapping[int, float], excess: float, order: int) -> list[int]:
    """Clients that make up for an excess, and last the shortest that suffices."""
    left: list[int] = []
    ranked = sorted(some, key=lambda client: (order * some[client], client))
    while excess > TINY and ranked:
        enough = [client for client in ranked if some[client] >= excess]
        client = min(enough, key=lambda one: (some[one], one)) if enough else ranked[0]
        ranked.remove(client)
        left.append(client)
        excess -= some[client]
    return left
