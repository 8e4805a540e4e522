"""Before a round: at which home each client is to be trained, and its state moved there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from fedkd.clients.packed import client_of
from fedkd.executors.loop import giving
from fedkd.executors.parcels import Kind, Parcel
from fedkd.executors.schedule import Matched

if TYPE_CHECKING:
    from fedkd.executors.pool import Pool

PRIOR_BYTES, PRIOR_SECONDS = 1e8, 0.1
"""Moved before anything was: a state is taken to travel at a gigabyte a second until it is known better."""


class Moves:
    """Matches a cohort with homes, and moves the states of those who leave theirs.

    Attributes:
        matched: who learns where clients go.
    """

    def __init__(self, state_bytes: float) -> None:
        self.matched = Matched()
        self._state_bytes = state_bytes
        self._bytes, self._seconds = PRIOR_BYTES, PRIOR_SECONDS

    @property
    def seconds(self) -> float:
        """That one state is expected to take, from one worker to another."""
        return self._state_bytes * self._seconds / self._bytes

    def place(self, pool: Pool, cohort: Sequence[int]) -> int:
        """Give every client of a cohort a home among the workers that are there; the bytes that moved.

        A client whose home has no worker stays there: nobody can fetch its state. Before anything is learned of
        durations nothing moves: predictions are no seconds yet.
        """
        workers = _workers(pool)
        names = {min(some): home for home, some in workers.items()}
        keys = {home: key for key, home in names.items()}
        here = [client for client in cohort if pool.homes.get(client) in (None, *workers)]
        known = {client: keys[pool.homes[client]] for client in here if client in pool.homes}
        if known and not pool.durations.learned:
            return 0
        seconds = {client: pool.durations.suggest(client, pool.site.work[client]) for client in here}
        speeds = {
            key: sum(1 / pool.durations.factor(worker) for worker in workers[home]) for key, home in names.items()
        }
        placed = self.matched.place(seconds, speeds, known, self.seconds)
        pool.homes |= {client: names[placed[client]] for client in here if client not in known}
        return self._move(pool, {client: placed[client] for client in known if placed[client] != known[client]})

    def keep(self) -> dict[str, Any]:
        """All that was learned, as numbers and arrays."""
        return {"matched": self.matched.keep(), "bytes": self._bytes, "seconds": self._seconds}

    def take_up(self, kept: Mapping[str, Any]) -> None:
        """What was learned before."""
        self.matched = Matched.resumed(kept["matched"])
        self._bytes, self._seconds = kept["bytes"], kept["seconds"]

    def _move(self, pool: Pool, moving: Mapping[int, int]) -> int:
        """Fetch states and take them to the workers that are named; who has arrived is at home there."""
        began = perf_counter()
        states = _fetched(pool, moving)
        parcels: defaultdict[int, list[bytes | memoryview]] = defaultdict(list)
        for client, some in states.items():
            if moving[client] in pool.alive:
                parcels[moving[client]] += some
        for worker in sorted(parcels):
            pool.hub.send(worker, Parcel(Kind.TAKE, parts=tuple(parcels[worker])))
        arrived = pool.answers(parcels)
        moved = [client for client in states if moving[client] in arrived]
        pool.homes |= {client: pool.home_of(moving[client]) for client in moved}
        size = sum(len(part) for client in moved for part in states[client])
        if size:
            self._state_bytes = size / len(moved)
            self._bytes, self._seconds = self._bytes + size, self._seconds + perf_counter() - began
        return size


def _workers(pool: Pool) -> dict[str, Collection[int]]:
    """The workers of each home that are there."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for worker in sorted(pool.alive):
        found[pool.home_of(worker)].append(worker)
    return dict(found)


def _fetched(pool: Pool, clients: Collection[int]) -> dict[int, list[bytes | memoryview]]:
    """Packed states of each client, from a worker of its home; not of those whose worker has just died."""
    asked: defaultdict[int, list[int]] = defaultdict(list)
    workers = _workers(pool)
    for client in clients:
        asked[min(workers[pool.homes[client]])].append(client)
    for worker, some in asked.items():
        pool.hub.send(worker, giving(some))
    states: dict[int, list[bytes | memoryview]] = {}
    for worker, answer in pool.answers(asked).items():
        states |= {client: [] for client in asked[worker]}
        for part in answer.parts:
            states[client_of(part)].append(part)
    return states
