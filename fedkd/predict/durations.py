"""How long a client takes on a worker, learned while running.

seconds = (a + b work) exp(residual of the client) factor of the worker,   work = samples x local epochs
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedkd.errors import ConfigurationError
from fedkd.predict.affine import Line, fit
from fedkd.predict.fixed_lines import FixedLines
from fedkd.predict.regret import Learner, Regret

SHORTEST = 1e-6
"""Seconds below which a clock says nothing."""

SAMPLE = 512
"""Clients to which the line is fitted."""

CLIENT_MEMORY = 16
WORKER_MEMORY = 64
SPREAD_MEMORY = 256
"""Observations over which a mean forgets."""

LARGEST_STEP = 1.0
FIRST_STEP = 2.0
"""Nats by which an observation may differ from what n others say: max(1, 2/(1 + n))."""


@dataclass(slots=True)
class _Client:
    """Means over a client's visits: of log seconds on a worker of factor 1, and its last work."""

    visits: int
    log_seconds: float
    work: float
    last: int


@dataclass(slots=True)
class _Speed:
    """Mean over a worker's clients of log seconds - log predicted without it."""

    clients: int
    mean: float

    @property
    def shrunken(self) -> float:
        return self.mean * self.clients / (self.clients + 1)


class Durations(Learner):
    """Predicts seconds from work; learns a line for all, a residual per client and a factor per worker.

    The line is fitted to 512 clients drawn from all that were observed, each at its mean: the order in which a round
    trains its clients, longest first, leaves no trace in it. A client not seen for long weighs less. The residual of a
    client with n visits is n/(n + kappa) times its mean log residual against the present line, kappa = variance within
    clients / variance between clients, both learned. A worker's log factor is shrunken likewise with kappa = 1, and
    factors have geometric mean 1. The last 16 visits of a client and the last 64 clients of a worker weigh most.

    A worker's first client is not learned from: the call compiles and fills caches. Later slow calls count as one that
    took e times as long as expected.

    Memory: one small record per client that was observed, none for the others. Time: constant per call; the line is
    fitted again after one observation in eight, at least every 64.

    Example:
        >>> durations = Durations()
        >>> durations.suggest(client=3, work=40.0) < durations.suggest(client=1, work=50.0)
        True
    """

    def __init__(self) -> None:
        self._line = Line()
        self._clients: dict[int, _Client] = {}
        self._workers: dict[int, _Speed] = {}
        self._level = 0.0
        self._sample: list[int] = []
        self._draws = np.random.default_rng(0)
        self._observed = self._next_fit = 0
        self._within, self._between, self._repeats = 0.01, 0.1, 0
        self._log = FixedLines()

    @property
    def learned(self) -> bool:
        """Whether predictions are seconds; before the first observation that counts they are an order only."""
        return self._observed > 0

    def suggest(self, client: int, work: float, worker: int | None = None) -> float:
        """Predicted seconds; on a worker of factor 1 where none is named.

        Until something is `learned` the prediction is the work itself: an order, not a time.
        """
        seconds = self._line(work) * math.exp(self._residual(client))
        return seconds if worker is None else seconds * self.factor(worker)

    def factor(self, worker: int) -> float:
        """Seconds on this worker over seconds on the (geometric) mean worker; 1 for one that is not known."""
        speed = self._workers.get(worker)
        if speed is None:
            return 1.0
        return math.exp(speed.shrunken - self._level / len(self._workers))

    def observe(self, client: int, work: float, worker: int, seconds: float) -> None:
        """Learn from what a client took.

        Raises:
            ConfigurationError: seconds or work are negative or not finite.
        """
        for name, value in (("seconds", seconds), ("work", work)):
            if not 0 <= value < math.inf:
                raise ConfigurationError(f"Durations: client {client}: {name}={value:g}; give a finite number >= 0")
        if worker not in self._workers:
            self._workers[worker] = _Speed(0, 0.0)
            return
        seconds = max(seconds, SHORTEST)
        log_seconds = math.log(seconds / self.factor(worker))
        if self.learned:
            self._log.add(work, self.suggest(client, work, worker), seconds)
            self._learn_worker(worker, math.log(seconds / self.suggest(client, work)))
        self._observed += 1
        self._learn_client(client, work, log_seconds)
        if self._observed >= self._next_fit:
            self._fit()

    def regret(self) -> Regret:
        """What the predictions cost so far, beside the best fixed line.

        U_t = |log seconds - log predicted| in nats; the cost is |seconds - predicted| <= U_t max(seconds, predicted).
        """
        return self._log.total()

    def keep(self) -> dict[str, Any]:
        """All that was learned, as numbers and arrays; the regret is of one sitting."""
        clients = [
            (client, each.visits, each.log_seconds, each.work, each.last) for client, each in self._clients.items()
        ]
        workers = [(worker, each.clients, each.mean) for worker, each in self._workers.items()]
        return {
            "clients": np.array(clients, np.float64).reshape(-1, 5),
            "workers": np.array(workers, np.float64).reshape(-1, 3),
            "sample": np.array(self._sample, np.int64),
            "draws": self._draws.bit_generator.state,
            "line": (self._line.a, self._line.b),
            "level": self._level,
            "fits": (self._observed, self._next_fit),
            "spread": (self._within, self._between, self._repeats),
        }

    @staticmethod
    def resumed(kept: Mapping[str, Any]) -> Durations:
        """With all that was learned before."""
        found = Durations()
        found._clients = {
            int(client): _Client(int(visits), log_seconds, work, int(last))
            for client, visits, log_seconds, work, last in kept["clients"].tolist()
        }
        found._workers = {int(worker): _Speed(int(seen), mean) for worker, seen, mean in kept["workers"].tolist()}
        found._sample = kept["sample"].tolist()
        found._draws.bit_generator.state = kept["draws"]
        found._line, found._level = Line(*kept["line"]), kept["level"]
        found._observed, found._next_fit = kept["fits"]
        found._within, found._between, found._repeats = kept["spread"]
        return found

    def _residual(self, client: int) -> float:
        known = self._clients.get(client)
        if known is None:
            return 0.0
        kappa = self._within / self._between
        return self._mean_residual(known) * known.visits / (known.visits + kappa)

    def _mean_residual(self, known: _Client) -> float:
        return known.log_seconds - math.log(self._line(known.work))

    def _learn_worker(self, worker: int, log_factor: float) -> None:
        speed = self._workers[worker]
        before = speed.shrunken
        error = _bounded(log_factor - speed.mean, speed.clients)
        speed.clients = min(speed.clients + 1, WORKER_MEMORY)
        speed.mean += error / speed.clients
        self._level += speed.shrunken - before

    def _learn_client(self, client: int, work: float, log_seconds: float) -> None:
        known = self._clients.get(client)
        if known is None:
            self._meet(client, work, log_seconds)
            return
        moved = math.log(self._line(work) / self._line(known.work))
        error = _bounded(log_seconds - known.log_seconds - moved, known.visits)
        self._learn_spread(error**2 / (1 + 1 / known.visits), self._mean_residual(known) ** 2, known.visits)
        known.visits = min(known.visits + 1, CLIENT_MEMORY)
        known.log_seconds += moved + error / known.visits
        known.work, known.last = work, self._observed

    def _meet(self, client: int, work: float, log_seconds: float) -> None:
        """A client's first visit; the sample stays a uniform one of all clients met (reservoir sampling)."""
        expected = math.log(self._line(work)) if self._observed > 1 else log_seconds
        log_seconds = expected + _bounded(log_seconds - expected, 0)
        self._clients[client] = _Client(1, log_seconds, work, self._observed)
        if len(self._sample) < SAMPLE:
            self._sample.append(client)
        elif (place := int(self._draws.integers(len(self._clients)))) < SAMPLE:
            self._sample[place] = client

    def _fit(self) -> None:
        known = [self._clients[client] for client in self._sample]
        work, log_seconds, last = np.array([(each.work, each.log_seconds, each.last) for each in known]).T
        ages = (self._observed - last) / (len(self._clients) + SAMPLE)
        self._line = fit(work, np.exp(log_seconds), np.exp2(-ages))
        self._next_fit = self._observed + 1 + min(self._observed, SAMPLE) // 8

    def _learn_spread(self, within: float, residual: float, visits: int) -> None:
        """Variances within a client's visits and between clients."""
        self._repeats = min(self._repeats + 1, SPREAD_MEMORY)
        self._within = max(self._within + (within - self._within) / (self._repeats + 8), 1e-6)
        between = residual - self._within / visits
        self._between = max(self._between + (between - self._between) / (self._repeats + 8), 1e-4)


def _bounded(error: float, seen: int) -> float:
    bound = max(LARGEST_STEP, FIRST_STEP / (1 + seen))
    return max(-bound, min(error, bound))
