"""The workers of a round: who is busy until when, and how fast each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedkd.errors import ConfigurationError

OVERRUN = 0.1
"""A worker that is later than predicted is expected to need another tenth of the time that it has spent."""

CLEARLY = 0.95
"""A worker is clearly faster below this share of another's factor; a client ends clearly earlier likewise."""

TINY = 1e-12

Floats = NDArray[np.float64]


class Team(NamedTuple):
    """Some of the workers.

    Args:
        slots: theirs.
        speeds: inverse factors, in the slots' order.
        total: their sum.
        slowest: the largest factor, 0 if there is no one.
    """

    slots: NDArray[np.intp]
    speeds: Floats
    total: float
    slowest: float

    def level(self, free: Floats, work: float) -> float:
        """When all have done this work, were it a fluid, from when each slot is free on: seconds."""
        return (float(free[self.slots] @ self.speeds) + work) / self.total


class Crew:
    """The workers of a round, in slots 0, 1, ...

    Args:
        workers: their numbers.
        factors: seconds on each worker over seconds on the mean worker.
        hosts: of each; None where it does not matter.
    """

    def __init__(self, workers: Sequence[int], factors: Sequence[float], hosts: Sequence[str | None]) -> None:
        self.factors: Floats = np.array(factors, np.float64)
        self.hosts = hosts
        self._slots = {worker: slot for slot, worker in enumerate(workers)}
        self._busy = [False] * len(workers)
        self._least = float(self.factors.min(initial=np.inf))
        self._late, self._ends = (np.full(len(workers), -np.inf) for _ in range(2))
        self._teams: dict[object, Team] = {}
        self._here: dict[str | None, Floats] = {}

    def idle_slot(self, worker: int) -> int:
        """The slot of a worker that may be given something.

        Raises:
            ConfigurationError: the worker is unknown or busy.
        """
        slot = self._slots.get(worker)
        if slot is None:
            raise ConfigurationError(f"worker {worker}: is not in the queue; make one with it")
        if self._busy[slot]:
            raise ConfigurationError(f"worker {worker}: has a client; call done before take")
        return slot

    def begin(self, slot: int, now: float, seconds: float) -> None:
        """The worker is busy from now on, for about so many seconds."""
        self._busy[slot] = True
        self._late[slot], self._ends[slot] = -OVERRUN * now, now + seconds

    def end(self, worker: int) -> None:
        """The worker is idle."""
        slot = self._slots[worker]
        self._busy[slot] = False
        self._late[slot] = self._ends[slot] = -np.inf

    def free(self, now: float) -> Floats:
        """When each slot should be free: when it is predicted to end, or now + (now - began)/10 if later [slots]."""
        free: Floats = np.maximum(np.maximum(self._ends, self._late + (1 + OVERRUN) * now), now)
        return free

    def factors_at(self, host: str | None) -> Floats:
        """Factors of one host's workers, infinite for others [slots]; of all for None."""
        if host is None:
            return self.factors
        if host not in self._here:
            here = np.array([each == host for each in self.hosts], bool)
            self._here[host] = np.where(here, self.factors, np.inf)
        return self._here[host]

    def team(self, host: str | None) -> Team:
        """The workers of a host; all for None."""
        return self._team(host, host, np.inf)

    def levels(self, free: Floats, works: Mapping[str | None, float]) -> Floats:
        """When the host of each slot has done what waits for it, -inf where nothing waits [slots]."""
        names = {host: number for number, host in enumerate(works)}
        hosts = np.array([names.get(host, len(names)) for host in self.hosts])
        speeds = 1 / self.factors
        totals = np.maximum(np.bincount(hosts, speeds, len(names) + 1), TINY)
        waiting = np.array([*works.values(), -np.inf])
        levels: Floats = ((np.bincount(hosts, free * speeds, len(names) + 1) + waiting) / totals)[hosts]
        return levels

    def faster(self, slot: int) -> Team:
        """The workers of a slot's host that are clearly faster than it."""
        return self._team(slot, self.hosts[slot], CLEARLY * self.factors[slot])

    def nobody_faster(self, slot: int) -> bool:
        """Whether no worker anywhere is clearly faster."""
        return bool(self.factors[slot] * CLEARLY <= self._least)

    def _team(self, key: object, host: str | None, below: float) -> Team:
        if key not in self._teams:
            factors = self.factors_at(host)
            slots = np.flatnonzero(factors < below)
            speeds = 1 / factors[slots]
            self._teams[key] = Team(slots, speeds, float(speeds.sum()), float(factors[slots].max(initial=0.0)))
        return self._teams[key]
