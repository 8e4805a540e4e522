"""One round of a pool: clients go out to workers that are free, replies come in, deaths are made good."""

from __future__ import annotations

import math
import time
from collections import Counter
from typing import TYPE_CHECKING

from fedkd.executors.executor import ClientError, Refresh
from fedkd.executors.loop import read_reply, training
from fedkd.executors.orders import Order
from fedkd.executors.parcels import Kind, Parcel
from fedkd.executors.schedule import PullQueue
from fedkd.messages import Broadcast
from fedkd.records.report import Placement
from fedkd_compression import WireError

if TYPE_CHECKING:
    from fedkd.executors.orders import Reply
    from fedkd.executors.pool import Pool

SHORT = 0.02
"""Seconds of a client behind which another may wait even when few are left."""
SMALL = 1 << 15
"""Bytes that can be sent ahead: they fit into a socket's buffer while the worker is sending itself."""
DEATHS = 3
"""Workers that one client may bring down in a round, or one evaluation, before the job fails."""


class Dispatch:
    """The state of one round: what is queued, what is out, what has come back."""

    def __init__(self, pool: Pool, broadcast: Broadcast, refresh: Refresh) -> None:
        self._pool, self._broadcast, self._refresh = pool, broadcast, refresh
        self._small = all(sum(map(len, messages)) < SMALL for messages in broadcast.unicast.values())
        self._out: dict[int, dict[int, float]] = {worker: {} for worker in pool.alive}
        self._done: dict[int, tuple[Reply, Placement]] = {}
        self._deaths: Counter[int] = Counter()
        share = math.ceil(len(broadcast.cohort) / len(pool.alive))
        self._together = max(min(pool.site.together, share), 1)
        self._began = time.perf_counter()
        # Before anything is learned, predictions are an order and no seconds.
        self._timed = pool.durations.learned
        self._queue = self._queued()
        for worker in sorted(pool.alive):
            self._inform(worker)

    @property
    def round(self) -> int:
        """Its number."""
        return self._broadcast.round

    @property
    def complete(self) -> bool:
        """Whether every client has replied."""
        return len(self._done) == len(self._broadcast.cohort)

    @property
    def reduced(self) -> bool:
        """Whether workers add up the updates: their replies are receipts."""
        return any(reply.sizes is not None for reply, _ in self._done.values())

    @property
    def trained(self) -> set[int]:
        """Workers whose clients' replies count."""
        return {placement.worker for _, placement in self._done.values()}

    @property
    def fallen(self) -> set[int]:
        """Workers that died since they were told of the round, but not while it waited for their clients."""
        return {worker for worker in self._out if worker not in self._pool.alive or worker in self._pool.uninformed}

    @property
    def replies(self) -> list[Reply]:
        """Those that came back, the first of each client."""
        return [reply for reply, _ in self._done.values()]

    @property
    def placements(self) -> tuple[Placement, ...]:
        """Which worker trained whom, and when."""
        return tuple(placement for _, placement in self._done.values())

    def train(self) -> None:
        """Until every client has replied."""
        self._feed_idle()
        while not self.complete:
            worker, answer, died = self._pool.hub.wait()
            if answer is None:
                self._bury(worker, died)
            else:
                self._take(worker, self._pool.checked(worker, answer))
            self._feed_idle()

    def lose(self, worker: int) -> None:
        """A worker died: its clients are to be run again, also those whose updates only it had added up."""
        if self.reduced:
            self._done = {client: done for client, done in self._done.items() if done[1].worker != worker}
        self._out.pop(worker)
        if worker in self._pool.alive:
            self._out[worker] = {}
            self._inform(worker)
        self._queue = self._queued()

    def _queued(self) -> PullQueue:
        """Everyone who has neither replied nor is with a worker."""
        pool = self._pool
        taken = self._done.keys() | {client for clients in self._out.values() for client in clients}
        work = {client: pool.site.work[client] for client in self._broadcast.cohort if client not in taken}
        homes = {client: pool.homes[client] for client in work if client in pool.homes}
        hosts = {worker: pool.home_of(worker) for worker in sorted(pool.alive)}
        queue = PullQueue(work, pool.durations, hosts, hosts, homes)
        for client in queue.stranded:
            raise ClientError(f"client {client}, round {self.round}: no worker is left on {homes[client]}, its home")
        return queue

    def _bury(self, worker: int, died: str) -> None:
        for client in list(self._out[worker])[:1]:
            self._deaths[client] += 1
            if self._deaths[client] == DEATHS:
                raise ClientError(f"client {client}, round {self.round}: its worker {died}, {DEATHS} times")
        self._pool.bury(worker, died)
        self.lose(worker)

    def _inform(self, worker: int) -> None:
        """Send the broadcast; to a worker that knows nothing, first what the others know."""
        messages = tuple(self._broadcast.shared)
        if worker in self._pool.uninformed:
            messages = (*self._refresh(), *messages)
            self._pool.uninformed.discard(worker)
        committed = tuple(map(float, self._pool.committed))
        self._pool.hub.send(worker, Parcel(Kind.ROUND, self.round, numbers=committed, parts=messages))

    def _feed_idle(self) -> None:
        for worker in sorted(self._out):
            if not self._out[worker]:
                self._feed(worker)

    def _feed(self, worker: int) -> None:
        """Give a worker its next clients, and one more ahead where that costs no balance."""
        while not self._out[worker] or self._may_go_ahead(worker):
            group = [client for _ in range(self._together) if (client := self._take_out(worker)) is not None]
            if not group:
                return
            orders = [Order(client, self._broadcast.unicast.get(client, ())) for client in group]
            self._pool.hub.send(worker, training(self.round, orders))

    def _take_out(self, worker: int) -> int | None:
        """The next client for a worker, out of the queue."""
        out = self._out[worker]
        for running in out.keys() & self._queue.out.keys():
            self._queue.done(worker, running)
        client = self._queue.take(worker, self._now())
        if client is not None:
            out[client] = self._queue.predicted(client, worker) if self._timed else math.inf
        return client

    def _may_go_ahead(self, worker: int) -> bool:
        """Whether the next client may wait at the worker itself: it need not wait for us then, but is bound to it."""
        out = self._out[worker]
        if len(out) > 1 or not self._small or self._together > 1:
            return False
        return self._queue.left > 2 * len(self._out) or next(iter(out.values())) < SHORT

    def _take(self, worker: int, answer: Parcel) -> None:
        if answer.kind is Kind.REPLY and (answer.client in self._done or answer.round < self.round):
            self._pool.again.append(read_reply(answer))
            return
        if answer.kind is not Kind.REPLY or answer.client not in self._out[worker]:
            raise WireError(f"worker {worker}: {answer.kind.name} of client {answer.client}, which it does not have")
        now, reply = self._now(), read_reply(answer)
        client, seconds = reply.client, reply.seconds_train + reply.seconds_link
        expected = self._out[worker].pop(client)
        predicted = None if math.isinf(expected) else expected
        if client in self._queue.out:
            self._queue.done(worker, client)
        if self._pool.several_homes:
            self._pool.homes.setdefault(client, self._pool.home_of(worker))
        self._pool.durations.observe(client, self._pool.site.work[client], worker, seconds)
        self._done[client] = (reply, Placement(client, worker, max(now - seconds, 0.0), now, predicted))
        self._feed(worker)

    def _now(self) -> float:
        return time.perf_counter() - self._began
