"""Which client an idle worker gets next within a round: longest predicted first, on the worker that ends it first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from fedkd.errors import ConfigurationError
from fedkd.executors.schedule.crew import Crew
from fedkd.executors.schedule.deal import Deal
from fedkd.executors.schedule.lanes import ANYWHERE, Lanes


class Predictor(Protocol):
    """What the queue asks of learned durations."""

    def suggest(self, client: int, work: float, worker: int | None = None) -> float:
        """Predicted seconds of a client, on a worker of factor 1 where none is named."""

    def factor(self, worker: int) -> float:
        """Seconds on the worker over seconds on the mean worker."""


class PullQueue:
    """Gives idle workers the clients of a round.

    A client goes to the worker that is predicted to end it first: clients are dealt, longest first, to the worker with
    the least (free + seconds x factor), where a busy worker is free when its client is predicted to end. An idle
    worker takes the first client that falls to it, or none: then faster workers, though busy, end all that is left
    earlier. Every event deals anew, so a wrong prediction costs little.

    A client with a home goes to workers of that host only. One without goes anywhere, except to a host that has homed
    clients left and more to do than the hosts have on average.

    Whoever was given ``None`` asks again when another worker is done. If clients are left and all workers that may
    train one are idle, one of those workers gets one when they ask. Every client is given out once; where a worker dies
    or comes, a new queue is made of who is left.

    Args:
        works: of each client of the cohort: samples x epochs.
        predictor: `fedkd.predict.Durations`; read when the queue is made.
        workers: their numbers.
        hosts: of each worker; needed for homes alone.
        homes: host of each client whose state lies on one.

    Attributes:
        out: the worker of each client that is given out and not done.

    Example:
        >>> from fedkd.predict import Durations
        >>> queue = PullQueue({0: 10.0, 1: 30.0}, Durations(), [7])
        >>> queue.take(7, now=0.0), queue.left
        (1, 1)
    """

    def __init__(
        self,
        works: Mapping[int, float],
        predictor: Predictor,
        workers: Iterable[int],
        hosts: Mapping[int, str] | None = None,
        homes: Mapping[int, str] | None = None,
    ) -> None:
        self.out: dict[int, int] = {}
        self._predictor = predictor
        self._lanes = Lanes({client: predictor.suggest(client, work) for client, work in works.items()}, homes or {})
        order = sorted(workers)
        self._crew = Crew(
            order, [predictor.factor(worker) for worker in order], [(hosts or {}).get(each) for each in order]
        )
        self._deals: dict[str | None, Deal] = {}

    @property
    def left(self) -> int:
        """Clients that are not given out."""
        return len(self._lanes)

    @property
    def stranded(self) -> tuple[int, ...]:
        """Clients left whose home has no worker."""
        return self._lanes.clients([home for home in self._lanes.waiting if not self._crew.team(home).total])

    def predicted(self, client: int, worker: int) -> float:
        """Seconds that are expected of a client on a worker."""
        return self._lanes.seconds[client] * self._predictor.factor(worker)

    def take(self, worker: int, now: float) -> int | None:
        """The next client of an idle worker, or None: nothing for it until something changes.

        Args:
            worker: its number.
            now: seconds on a clock that does not go back, the same one in every call.

        Raises:
            ConfigurationError: the worker is unknown, or has a client.
        """
        slot = self._crew.idle_slot(worker)
        host = self._crew.hosts[slot]
        deal = self._deal(host, now)
        client = deal.first_for(slot)
        if client is None:
            return None
        if self._lanes.remove(client) is ANYWHERE:
            self._deals = {key: each for key, each in self._deals.items() if each is deal}
        self._crew.begin(slot, now, self._lanes.seconds[client] * self._crew.factors[slot])
        self.out[client] = worker
        return client

    def done(self, worker: int, client: int) -> None:
        """A worker has ended its client, and is idle.

        Raises:
            ConfigurationError: the worker was not given this client.
        """
        if self.out.get(client) != worker:
            raise ConfigurationError(f"client {client}: is not with worker {worker}; call done for what take gave")
        del self.out[client]
        self._crew.end(worker)
        self._deals.clear()

    def _deal(self, host: str | None, now: float) -> Deal:
        key = host if self._lanes[host] else ANYWHERE
        deal = self._deals.get(key)
        if deal is None or deal.now != now:
            deal = self._deals[key] = Deal(self._lanes, self._crew, key, now)
        return deal
