"""Where a client's state, or the server's, should lie: hosts in racks, and requests from where a client is trained."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fedkd.executors.schedule import PullQueue
from fedkd.predict import Durations
from fedkd.predict import page_migration as page
from fedkd.predict.exponentiated import ExponentiatedGradient
from fedkd.predict.page_migration import Points, Space
from sims.rounds import Round
from sims.schedule import simulate

RACKS, OF_A_RACK, ACROSS = 3, 4, 10.0
"""Hosts of a rack are at distance 1, others at 10."""
HOSTS = RACKS * OF_A_RACK
LOCAL, STAYS, LIFETIME = 0.9, 40, 25
"""Share of requests from home; requests until a drifting home changes, on average; rounds until a host leaves."""
CLIENTS, COHORT = 96, 24
AWAY = 5
"""Rounds for which a host takes no work."""
PAGES = 20
"""Of each made-up pattern."""

Draws = np.random.Generator


@dataclass(frozen=True)
class Paid:
    """Cost a request of each way of placing, in units of the distance within a rack.

    Args:
        pattern: where requests come from.
        move: D.
        costs: by the name of the placement; the coin's is its expectation.
    """

    pattern: str
    move: float
    costs: dict[str, float]


def distances() -> np.ndarray:
    """Of all hosts [n, n]."""
    rack = np.arange(HOSTS) // OF_A_RACK
    return np.where(rack[:, None] == rack, 1.0, ACROSS) * (1 - np.eye(HOSTS))


def uniform(draws: Draws, count: int) -> Iterator[Points]:
    """Any host, each time."""
    yield from (draws.integers(0, HOSTS, count) for _ in range(PAGES))


def local(draws: Draws, count: int) -> Iterator[Points]:
    """Nine in ten from one host."""
    for _ in range(PAGES):
        yield np.where(draws.random(count) < LOCAL, draws.integers(HOSTS), draws.integers(0, HOSTS, count))


def drifting(draws: Draws, count: int) -> Iterator[Points]:
    """Nine in ten from a host that changes after 40 requests on average."""
    for _ in range(PAGES):
        era = np.cumsum(draws.random(count) < 1 / STAYS)
        home = draws.integers(0, HOSTS, count + 1)[era]
        yield np.where(draws.random(count) < LOCAL, home, draws.integers(0, HOSTS, count))


PATTERNS: dict[str, Callable[[Draws, int], Iterator[Points]]] = {
    "uniform": uniform,
    "local": local,
    "drifting": drifting,
}


class Queue:
    """The executors' queue over rounds: 24 of 96 clients on one worker a host; where each client was trained.

    Args:
        draws: of samples, cohorts and seconds.
        homes: whether a client has a home: where it was trained first.
        lifetime: rounds after which some host takes no work for five rounds, and its clients find another home.
    """

    def __init__(self, draws: Draws, homes: bool, lifetime: int | None = None) -> None:
        self.visits: dict[int, list[int]] = defaultdict(list)
        self.ratios: list[float] = []
        self._draws, self._durations = draws, Durations()
        self._samples = np.exp(np.log(100) + 0.7 * draws.standard_normal(CLIENTS))
        self._homes: dict[int, str] | None = {} if homes else None
        self._lifetime, self._rounds, self._gone = lifetime, 0, -1

    def round(self) -> None:
        """Train a cohort; the makespan over its lower bound goes to ``ratios``."""
        works = {int(client): float(self._samples[client]) for client in self._draws.permutation(CLIENTS)[:COHORT]}
        noise = np.exp(0.05 * self._draws.standard_normal(COHORT))
        seconds = {
            client: (0.05 + 0.002 * works[client]) * float(each) for client, each in zip(works, noise, strict=True)
        }
        hosts, given = self._present(), Round(seconds, works, [1.0] * HOSTS)
        queue = PullQueue(works, self._durations, hosts, hosts, self._homes)
        bars = simulate(given, _Present(queue, hosts))
        self.ratios.append(max(bar.end for bar in bars) / given.bound)
        for bar in bars:
            self._durations.observe(bar.client, works[bar.client], bar.worker, bar.end - bar.begin)
            self.visits[bar.client].append(bar.worker)
            if self._homes is not None:
                self._homes.setdefault(bar.client, str(bar.worker))
        self._rounds += 1

    def _present(self) -> dict[int, str]:
        since = self._rounds % self._lifetime if self._lifetime else AWAY
        if self._homes is not None and since == 0:
            self._gone = int(self._draws.integers(HOSTS))
            self._homes = {client: home for client, home in self._homes.items() if home != str(self._gone)}
        return {worker: str(worker) for worker in range(HOSTS) if worker != self._gone or since >= AWAY}


QUEUES: dict[str, Callable[[Draws], Queue]] = {
    "queue, no homes": lambda draws: Queue(draws, homes=False),
    "queue, homes": lambda draws: Queue(draws, homes=True),
    "queue, homes, hosts leave": lambda draws: Queue(draws, homes=True, lifetime=LIFETIME),
}


@dataclass(frozen=True)
class _Present:
    """The queue, for the workers that are there."""

    queue: PullQueue
    hosts: dict[int, str]

    def take(self, worker: int, now: float) -> int | None:
        """The next client, or none for now."""
        return self.queue.take(worker, now) if worker in self.hosts else None

    def done(self, worker: int, client: int) -> None:
        """A client has ended."""
        self.queue.done(worker, client)


def learned(space: Space, requests: Points) -> Points:
    """``windowed`` with a distribution that is learned from the requests so far, at the best window of its bound."""
    learner, seen = ExponentiatedGradient(HOSTS), 0

    def suggest(past: Points) -> np.ndarray:
        nonlocal seen
        for request in past[seen:]:
            learner.observe(-np.eye(HOSTS)[request])
        seen = len(past)
        return learner.suggest()

    return page.windowed(space, requests, int(np.ceil(space.move * (1 + 3**0.5))), suggest)


WAYS: dict[str, Callable[[Space, Points], Points]] = {
    "sticky": page.sticky,
    "greedy": page.greedy,
    "predicted": learned,
    "optimum": page.optimum,
}


def paid(pattern: str, asked: Sequence[Points], move: float) -> Paid:
    """What every way of placing costs; a page starts where it was asked for first."""
    total: dict[str, float] = defaultdict(float)
    for requests in asked:
        space = Space(distances(), move, int(requests[0]))
        for way, placed in WAYS.items():
            total[way] += float(space.costs(placed(space, requests), requests).sum())
        total["coin"] += page.coin_expected(space, requests)
    number = sum(map(len, asked))
    return Paid(pattern, move, {way: cost / number for way, cost in total.items()})


def study(seed: int, moves: Sequence[float], count: int) -> tuple[list[Paid], dict[str, float]]:
    """Every pattern at every D; and each queue's mean makespan over its lower bound."""
    asked, makespans = {}, {}
    for place, (name, pattern) in enumerate(PATTERNS.items()):
        asked[name] = list(pattern(np.random.default_rng([seed, place]), count))
    for name, made in QUEUES.items():
        # All queues see the same clients; a client comes ``count`` times on average.
        queue = made(np.random.default_rng([seed, len(PATTERNS)]))
        for _ in range(count * CLIENTS // COHORT):
            queue.round()
        asked[name] = [np.array(queue.visits[client]) for client in sorted(queue.visits)]
        makespans[name] = float(np.mean(queue.ratios))
    return [paid(name, each, move) for name, each in asked.items() for move in moves], makespans
