"""How waiting clients fall to workers: longest first, each to the worker that is predicted to end it first."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from heapq import merge
from typing import TYPE_CHECKING

import numpy as np

from fedkd.executors.schedule.crew import CLEARLY, Crew
from fedkd.executors.schedule.lanes import ANYWHERE, Lanes

if TYPE_CHECKING:
    from fedkd.executors.schedule.lanes import Item


class Deal:
    """What falls to the workers of a host at one moment; it deals no further than it is asked.

    A client falls to the worker with the least (free + seconds x factor); to the worker that asks, unless another ends
    it clearly earlier. Clients without a home are withheld from a host that has homed clients left while its level is
    above that of all workers; the others' workers count as busy with their own homed clients first.

    Args:
        lanes: clients that wait.
        crew: the workers.
        host: whose workers ask; ANYWHERE where it has no homed clients left.
        now: the moment.
    """

    def __init__(self, lanes: Lanes, crew: Crew, host: str | None, now: float) -> None:
        self.now = now
        self._lanes, self._crew, self._host = lanes, crew, host
        self._names = [name for name in dict.fromkeys((host, ANYWHERE)) if lanes[name]]
        if len(self._names) > 1 and self._is_above():
            self._names.remove(ANYWHERE)
        self._waiting: Iterator[Item] | None = None
        self._dealt: defaultdict[int, deque[int]] = defaultdict(deque)

    def first_for(self, slot: int) -> int | None:
        """The first client that falls to an idle slot, not to be asked for again; None if none does."""
        if not self._names:
            return None
        if self._waiting is None:
            if self._crew.nobody_faster(slot):
                return min((lane[0] for name in self._names if (lane := self._lanes[name])), default=(0.0, None))[1]
            self._waiting = self._begin()
        dealt = self._dealt[slot]
        if not dealt and not self._useless(slot):
            self._deal_until(slot, self._waiting)
        return dealt.popleft() if dealt else None

    def _is_above(self) -> bool:
        """Whether the host has more to do than the workers have on average."""
        free, waiting = self._crew.free(self.now), self._lanes.waiting
        own = self._crew.team(self._host).level(free, waiting[self._host])
        return own > self._crew.team(ANYWHERE).level(free, sum(waiting.values()))

    def _begin(self) -> Iterator[Item]:
        lanes = [self._lanes[name][:] for name in self._names]
        self._shortest = min((-lane[-1][0] for lane in lanes if lane), default=0.0)
        others = dict(self._lanes.waiting)
        self._work = sum(others.pop(name, 0.0) for name in self._names)
        self._start = self._crew.free(self.now)
        if others and ANYWHERE in self._names:
            self._start = np.maximum(self._start, self._crew.levels(self._start, others))
        self._free = self._start.copy()
        return merge(*lanes) if len(lanes) > 1 else iter(lanes[0])

    def _deal_until(self, slot: int, waiting: Iterator[Item]) -> None:
        free, now = self._free, self.now
        for minus_seconds, client in waiting:
            ends = free - minus_seconds * self._crew.factors_at(self._lanes.home(client))
            best = int(ends.argmin())
            if best != slot and CLEARLY * (ends.item(slot) - now) <= ends.item(best) - now:
                best = slot
            free[best] = ends.item(best)
            self._dealt[best].append(client)
            if best == slot:
                return

    def _useless(self, slot: int) -> bool:
        """Whether the clearly faster workers of its host alone end all before it ends the shortest: spares the dealing.

        One of them is free by their level, so together they end the shortest by level + shortest x the largest of their
        factors; with a longer client the slot is further behind.
        """
        faster = self._crew.faster(slot)
        if not faster.total:
            return False
        theirs = faster.level(self._start, self._work) + self._shortest * faster.slowest - self.now
        return bool(CLEARLY * self._shortest * self._crew.factors[slot] > theirs)
