"""The clients of a round that wait for a worker, by the host where they must be trained."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping

ANYWHERE = None
"""The lane of clients without a home."""

Item = tuple[float, int]
"""Minus the predicted seconds, and the client: sorted items are longest first, ties by client."""


class Lanes:
    """One sorted lane of waiting clients for each home, and one for those that may go anywhere.

    Args:
        seconds: predicted of each client on a worker of factor 1.
        homes: host of each client that has one.

    Attributes:
        waiting: predicted seconds in each lane that is not empty.
    """

    def __init__(self, seconds: Mapping[int, float], homes: Mapping[int, str]) -> None:
        self.seconds = seconds
        self._home = dict(homes)
        self._lanes: defaultdict[str | None, list[Item]] = defaultdict(list)
        self.waiting: dict[str | None, float] = {}
        for client, predicted in seconds.items():
            home = self._home.get(client)
            self._lanes[home].append((-predicted, client))
            self.waiting[home] = self.waiting.get(home, 0.0) + predicted
        for lane in self._lanes.values():
            lane.sort()

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def __getitem__(self, home: str | None) -> list[Item]:
        return self._lanes.get(home, [])

    def clients(self, homes: Iterable[str | None]) -> tuple[int, ...]:
        """Who waits in these lanes, sorted."""
        return tuple(sorted(client for home in homes for _, client in self._lanes[home]))

    def home(self, client: int) -> str | None:
        """Where the client must be trained."""
        return self._home.get(client)

    def remove(self, client: int) -> str | None:
        """Take a client out of its lane; returns its home."""
        home = self._home.get(client)
        lane = self._lanes[home]
        del lane[bisect_left(lane, (-self.seconds[client], client))]
        self.waiting[home] -= self.seconds[client]
        if not lane:
            del self.waiting[home]
        return home
