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

    Whoever was given ``None`` asks again when another worker is done, has left or gave a client back. If clients are
    left and all workers that may train one are idle, one of those workers gets one when they ask. Every client is
    given out once, and again only after `give_back`.

    Args:
        works: of each client of the cohort: samples x epochs.
        predictor: `fedkd.predict.Durations`; read when the queue is made and when a worker joins.
        workers: their numbers.
        hosts: of each worker; needed for homes alone.
        homes: host of each client whose state lies on one.

    Attributes:
        out: the worker of each client that is given out and not done.
        placed: the host that took a client without a home.

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
        self.placed: dict[int, str] = {}
        self._predictor = predictor
        self._lanes = Lanes({client: predictor.suggest(client, work) for client, work in works.items()}, homes or {})
        self._crew = Crew()
        self._deals: dict[str | None, Deal] = {}
        for worker in sorted(workers):
            self.join(worker, None if hosts is None else hosts[worker])

    @property
    def left(self) -> int:
        """Clients that are not given out."""
        return len(self._lanes)

    @property
    def stranded(self) -> tuple[int, ...]:
        """Clients left whose home has no worker: they wait until one joins there."""
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
            ConfigurationError: the worker is unknown, has left, or has a client.
        """
        slot = self._crew.idle_slot(worker)
        host = self._crew.hosts[slot]
        deal = self._deal(host, now)
        client = deal.first_for(slot)
        if client is None:
            return None
        if self._lanes.remove(client) is ANYWHERE:
            self._deals = {key: each for key, each in self._deals.items() if each is deal}
            if host is not None:
                self.placed[client] = host
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

    def give_back(self, client: int) -> None:
        """A client is to be given out again: its worker died or gave up.

        Raises:
            ConfigurationError: the client is with no worker.
        """
        if client not in self.out:
            raise ConfigurationError(f"client {client}: is with no worker; give back what take gave")
        self._crew.end(self.out.pop(client))
        self.placed.pop(client, None)
        self._lanes.put(client)
        self._deals.clear()

    def retire(self, worker: int) -> None:
        """A worker gets nothing more; what it has is still to be done or given back."""
        self._crew.retire(worker)
        self._deals.clear()

    def join(self, worker: int, host: str | None = None) -> None:
        """A worker is new, or back.

        Raises:
            ConfigurationError: it is in the queue already.
        """
        self._crew.join(worker, self._predictor.factor(worker), host)
        self._deals.clear()

    def _deal(self, host: str | None, now: float) -> Deal:
        key = host if self._lanes[host] else ANYWHERE
        deal = self._deals.get(key)
        if deal is None or deal.now != now:
            deal = self._deals[key] = Deal(self._lanes, self._crew, key, now)
        return deal
