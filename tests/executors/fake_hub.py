"""A hub without processes: its workers keep the protocol, count what they are told, and die as they are told."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from fedkd.algorithms import Partial
from fedkd.clients import ClientState
from fedkd.clients.packed import pack_state
from fedkd.executors import Exchange, Site, StartingOrder, Worker
from fedkd.executors.lines import Event, Hub
from fedkd.executors.loop import read_training
from fedkd.executors.parcels import Kind, Parcel
from fedkd.executors.placement import Seat
from fedkd.executors.pool import Pool
from fedkd.messages import Broadcast
from fedkd_compression import ExactSum

REFRESH, SHARED, KILLED = b"what the others know", b"to all", "was killed by signal 9"
DIM = 2
COHORT = range(0, 40, 3)
TOTAL = torch.tensor([len(COHORT), sum(COHORT)], dtype=torch.float64)
SILENT = (Kind.ROUND, Kind.RESTORE, Kind.STOP)


@dataclass
class Doom:
    """A death: of whoever is asked this, or only of one worker, for one client; ``after`` having answered."""

    kind: Kind
    worker: int | None = None
    client: int | None = None
    after: bool = False
    skip: int = 0
    times: int = 1

    def strikes(self, worker: int, order: Parcel) -> bool:
        """Whether it is time; counts."""
        if not self.times or order.kind is not self.kind:
            return False
        if self.worker not in (None, worker) or self.client not in (None, order.client):
            return False
        self.skip -= 1
        self.times -= self.skip < 0
        return self.skip < 0


@dataclass
class FakeWorker:
    """What one of the hub's workers was told, and what it adds up."""

    heard: list[tuple[bytes, ...]] = field(default_factory=list)
    committed: list[tuple[float, ...]] = field(default_factory=list)
    round: int = -1
    clients: list[int] = field(default_factory=list)
    sum: ExactSum = field(default_factory=lambda: ExactSum.zeros(DIM))


class FakeHub(Hub):
    """Workers of one host, or of the hosts that are named; they work one order at a time, in turn or at random.

    Attributes:
        ways: a test's own answers to a kind of order.
        trained: (worker, client) of every client that was trained, in this order.
        ahead: most clients that a worker ever had at a time.
        gone: workers that died, and were not replaced.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        dooms: Iterable[Doom] = (),
        *,
        reduces: bool = False,
        replaces: bool = True,
        seconds: Callable[[int], float] = lambda client: 1.0,
        turns: random.Random | None = None,
    ) -> None:
        self._seats = [Seat(number, host, "cpu") for number, host in enumerate(hosts)]
        self.dooms, self.reduces, self.replaces, self.seconds, self.turns = dooms, reduces, replaces, seconds, turns
        self.workers = [FakeWorker() for _ in hosts]
        self.orders: defaultdict[int, deque[Parcel]] = defaultdict(deque)
        self.news: deque[Event] = deque()
        self.ways: dict[Kind, Callable[[int, Parcel], list[Parcel]]] = {}
        self.trained: list[tuple[int, int]] = []
        self.ahead, self.gone, self.closed, self.restored = 0, set[int](), False, dict[int, int]()

    @property
    def seats(self) -> Sequence[Seat]:
        return self._seats

    def send(self, worker: int, parcel: Parcel) -> None:
        if worker in self.gone:
            return
        self.orders[worker].append(parcel)
        self.ahead = max(self.ahead, sum(order.kind is Kind.TRAIN for order in self.orders[worker]))

    def wait(self) -> Event:
        while not self.news:
            busy = [worker for worker, orders in self.orders.items() if orders]
            assert busy, "the server waits, and nobody has anything to do"
            self._work(self.turns.choice(busy) if self.turns else busy[0])
        return self.news.popleft()

    def replace(self, worker: int) -> bool:
        assert worker in self.gone
        if self.replaces:
            self.gone.discard(worker)
            self.workers[worker] = FakeWorker()
        return self.replaces

    def close(self) -> None:
        self.closed = True

    def dies(self, worker: int) -> None:
        """At once, whatever it has."""
        self.orders.pop(worker, None)
        self.gone.add(worker)
        self.news.append(Event(worker, None, KILLED))

    def _work(self, worker: int) -> None:
        orders = self.orders.pop(worker)
        order = orders.popleft()
        self.orders[worker] = orders  # Behind the others.
        doom = next((doom for doom in self.dooms if doom.strikes(worker, order)), None)
        if doom is not None and not doom.after:
            self.dies(worker)
            return
        answers = self.ways.get(order.kind, self._answers)(worker, order)
        if order.kind not in SILENT:
            self.news.extend(Event(worker, answer) for answer in answers)
        if doom is not None:
            self.dies(worker)

    def _answers(self, worker: int, order: Parcel) -> list[Parcel]:
        if order.kind is Kind.TRAIN:
            return [self._train(worker, order.round, client) for client, _ in read_training(order)]
        return [self._answer(worker, order)]

    def _answer(self, worker: int, order: Parcel) -> Parcel:
        mind = self.workers[worker]
        if order.kind is Kind.ROUND:
            mind.heard.append(tuple(map(bytes, order.parts)))
            mind.committed.append(order.numbers)
            mind.round, mind.sum = order.round, ExactSum.zeros(DIM)
        elif order.kind is Kind.RESTORE:
            self.restored[worker] = len(order.parts)
        elif order.kind is Kind.SUM:
            return Parcel(Kind.SUMMED, order.round, parts=Partial(mind.sum).pack())
        elif order.kind is Kind.EVALUATE:
            return Parcel(Kind.METRICS, numbers=(0.5, float(worker)), parts=(b"loss\nworker",))
        elif order.kind is Kind.COMMIT:
            state = pack_state(worker, ClientState(torch.ones(DIM), order.round))
            return Parcel(Kind.COMMITTED, order.round, parts=(state,))
        return order

    def _train(self, worker: int, round_: int, client: int) -> Parcel:
        mind = self.workers[worker]
        assert mind.round == round_, f"worker {worker} was not told of round {round_}"
        mind.clients.append(client)
        mind.sum.add(torch.tensor([1.0, client]))
        self.trained.append((worker, client))
        sizes = (1.0, 2.0, 3.0) if self.reduces else ()
        return Parcel(Kind.REPLY, round_, client, (self.seconds(client), 0.0, *sizes), (b"reply",))


def pool(
    hub: FakeHub, clients: int = 100, *, shared_states: bool = True, work: Sequence[float] = (), together: int = 1
) -> Pool:
    """The pool before it has heard of any round."""
    start = StartingOrder(Path(), {}, b"")
    efforts = work or [9.0] * clients
    return Pool(hub, Site(_nobody, lambda: None, DIM, efforts, clients, together, shared_states, start, run=1))


def broadcast(
    cohort: Iterable[int], round_: int = 0, unicast: Mapping[int, tuple[bytes, ...]] | None = None
) -> Broadcast:
    """A round's messages."""
    return Broadcast(round_, tuple(cohort), (SHARED,), unicast or {})


def is_whole(exchange: Exchange, reduces: bool) -> bool:
    """Whether every client of COHORT counts once, and is placed."""
    placed = sorted(placement.client for placement in exchange.placements)
    assert sorted(reply.client for reply in exchange.replies) == placed == list(COHORT)
    if not reduces:
        return exchange.partial is None
    assert exchange.partial is not None
    return exchange.partial.total.terms == len(COHORT) and torch.equal(exchange.partial.total.total(), TOTAL)


def refresh() -> tuple[bytes, ...]:
    """What a worker that knows nothing hears first."""
    return (REFRESH,)


def _nobody(device: str) -> Worker:
    raise AssertionError(f"no worker is made here, on {device}")
