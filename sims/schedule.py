"""Clients on workers within a round: how far each way of scheduling is from the best possible.

    python sims/schedule.py [--seeds 5] [--rounds 30] [--json schedule.json]
    python sims/schedule.py --recorded runs/NAME/timeline.jsonl [--workers 4]

Rounds are simulated event by event, with durations that are made up or were recorded. Every row compares the makespan
with the lower bound max(total work / total speed, longest client on the fastest worker), and with pulling clients as
they come: how much longer, in %, in the mean of the same rounds, with its 95 % interval.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from heapq import heappop, heappush
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from fedkd.cli import guarded
from fedkd.durable import replace_text
from fedkd.errors import ConfigurationError
from fedkd.executors.schedule import PullQueue
from fedkd.predict import Durations
from sims.rounds import SETTINGS, Round, recorded

if TYPE_CHECKING:
    from rich.table import Table

WIDTH = 124
WARM_UP = 5
"""Rounds in which durations are learned and nothing is counted."""


class Bar(NamedTuple):
    """A client on a worker, in seconds since the round's start."""

    client: int
    worker: int
    begin: float
    end: float


class Queue(Protocol):
    """What idle workers pull from."""

    def take(self, worker: int, now: float) -> int | None:
        """The next client, or none for now."""

    def done(self, worker: int, client: int) -> None:
        """A client has ended."""


class Assigned:
    """A queue in which every worker has clients of its own, fixed before the round."""

    def __init__(self, lists: Sequence[Sequence[int]]) -> None:
        self._lists = [list(reversed(each)) for each in lists]

    def take(self, worker: int, now: float) -> int | None:
        """The next of this worker's clients."""
        return self._lists[worker].pop() if self._lists[worker] else None

    def done(self, worker: int, client: int) -> None:
        """Nothing changes."""


class Arrival(Assigned):
    """A queue from which every worker takes the next client in the cohort's order."""

    def __init__(self, clients: Sequence[int]) -> None:
        super().__init__([clients])

    def take(self, worker: int, now: float) -> int | None:
        """The next client."""
        return super().take(0, now)


def static_longest_first(given: Round, durations: Durations) -> Queue:
    """Fixed before the round: longest predicted first, each to the worker that is predicted to end it first."""
    predicted = {client: durations.suggest(client, work) for client, work in given.works.items()}
    factors = np.array([durations.factor(worker) for worker in range(len(given.factors))])
    ends = np.zeros(len(factors))
    lists: list[list[int]] = [[] for _ in factors]
    for client in sorted(predicted, key=lambda each: (-predicted[each], each)):
        after = ends + predicted[client] * factors
        worker = int(after.argmin())
        ends[worker] = after[worker]
        lists[worker].append(client)
    return Assigned(lists)


def round_robin(given: Round, durations: Durations) -> Queue:
    """Fixed before the round: client number i of the cohort to worker i mod W."""
    clients, workers = list(given.works), len(given.factors)
    return Assigned([clients[worker::workers] for worker in range(workers)])


def pull_in_arrival_order(given: Round, durations: Durations) -> Queue:
    """An idle worker takes the next client of the cohort."""
    return Arrival(list(given.works))


def pull_in_learned_order(given: Round, durations: Durations) -> Queue:
    """The executors' queue."""
    return PullQueue(given.works, durations, range(len(given.factors)))


@dataclass(frozen=True)
class Policy:
    """A way of scheduling, and whether it uses predictions."""

    name: str
    queue: Callable[[Round, Durations], Queue]
    learns: bool


AS_THEY_COME = "pull, as they come"
POLICIES = (
    Policy("round robin", round_robin, False),
    Policy("static, learned", static_longest_first, True),
    Policy(AS_THEY_COME, pull_in_arrival_order, False),
    Policy("pull, learned", pull_in_learned_order, True),
)


def simulate(given: Round, queue: Queue) -> list[Bar]:
    """Run a round to its end; after every event all idle workers ask, the lowest number first."""
    running: list[tuple[float, int, int]] = []
    idle, bars, now = set(range(len(given.factors))), [], 0.0
    while True:
        for worker in sorted(idle):
            client = queue.take(worker, now)
            if client is not None:
                idle.remove(worker)
                bars.append(Bar(client, worker, now, now + given.seconds[client] * given.factors[worker]))
                heappush(running, (bars[-1].end, worker, client))
        if not running:
            return bars
        now, worker, client = heappop(running)
        queue.done(worker, client)
        idle.add(worker)


@dataclass(frozen=True)
class Row:
    """One policy on some rounds.

    Args:
        ratios: makespan / lower bound of each round after the warm-up.
        idle: share of the workers' time, likewise.
        error: mean |log seconds - log predicted| in nats, all rounds but what precedes the first fit; None without
            predictions.
        best: the same of the best fixed line in hindsight.
    """

    setting: str
    policy: str
    ratios: tuple[float, ...]
    idle: tuple[float, ...]
    error: float | None
    best: float | None


def measure(setting: str, policy: Policy, runs: Iterable[Iterable[Round]]) -> Row:
    """Schedule the rounds of some runs, each of which learns from its beginning."""
    ratios: list[float] = []
    idle: list[float] = []
    regrets = []
    for rounds in runs:
        durations = Durations()
        for number, given in enumerate(rounds):
            bars = simulate(given, policy.queue(given, durations))
            if policy.learns:
                for bar in sorted(bars, key=lambda each: each.end):
                    durations.observe(bar.client, given.works[bar.client], bar.worker, bar.end - bar.begin)
            if number >= WARM_UP:
                makespan = max(bar.end for bar in bars)
                ratios.append(makespan / given.bound)
                idle.append(1 - sum(bar.end - bar.begin for bar in bars) / (makespan * len(given.factors)))
        regrets.append(durations.regret())
    count = sum(each.count for each in regrets)
    error, best = ((sum(getattr(r, n) for r in regrets) / count if count else None) for n in ("surrogate", "best"))
    return Row(setting, policy.name, tuple(ratios), tuple(idle), error, best)


def beside(row: Row, rows: Sequence[Row]) -> str:
    """Makespans over those of pulling clients as they come, round by round: mean excess in %, and its 95 % interval."""
    plain = next(other for other in rows if other.setting == row.setting and other.policy == AS_THEY_COME)
    excess = [100 * (one / other - 1) for one, other in zip(row.ratios, plain.ratios, strict=True)]
    if row is plain or len(excess) < 2:
        return "-"
    return f"{statistics.fmean(excess):+.2f} ± {1.96 * statistics.stdev(excess) / math.sqrt(len(excess)):.2f}"


def table(rows: Sequence[Row]) -> Table:
    """One line a setting and policy: mean and deviation over all rounds after the warm-up, and the worst of them."""
    from rich import box
    from rich.table import Table

    shown = Table(title="makespan over its lower bound", box=box.SIMPLE_HEAD)
    for heading in ("workers", "policy", "makespan", "worst", "beside, %", "idle %", "log error", "fixed line"):
        shown.add_column(heading, no_wrap=True, justify="left" if heading in ("workers", "policy") else "right")
    for row in rows:
        shown.add_row(
            row.setting,
            row.policy,
            f"{statistics.fmean(row.ratios):.4f} ± {statistics.pstdev(row.ratios):.4f}",
            f"{max(row.ratios):.3f}",
            beside(row, rows),
            f"{100 * statistics.fmean(row.idle):.2f}",
            *("-" if value is None else f"{value:.3f}" for value in (row.error, row.best)),
        )
    return shown


def request(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--recorded", type=Path, help="timeline.jsonl of a run, instead of made-up rounds")
    parser.add_argument("--workers", type=int, default=0, help="with --recorded: other than the run had")
    return sized(parser, arguments)


def sized(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Read a command line that may also say how many made-up rounds there are, and where the numbers go."""
    parser.add_argument("--seeds", type=int, default=5, help="made-up runs a setting")
    parser.add_argument("--rounds", type=int, default=30, help=f"rounds of each, the first {WARM_UP} uncounted")
    parser.add_argument("--json", type=Path, help="file for all numbers")
    asked = parser.parse_args(arguments)
    if asked.rounds <= WARM_UP or asked.seeds < 1:
        raise ConfigurationError(f"--rounds {asked.rounds} --seeds {asked.seeds}: needs > {WARM_UP} and >= 1")
    return asked


def rows_of(asked: argparse.Namespace) -> list[Row]:
    """All that was asked for."""
    if asked.recorded is None:
        return [
            measure(setting.name, policy, (setting.rounds(asked.rounds, seed) for seed in range(asked.seeds)))
            for setting in SETTINGS
            for policy in POLICIES
        ]
    rounds = recorded(asked.recorded, asked.workers)
    if len(rounds) <= WARM_UP:
        raise ConfigurationError(f"{asked.recorded}: has {len(rounds)} rounds; record more than {WARM_UP}")
    name = str(len(rounds[0].factors))
    return [measure(name, policy, [rounds]) for policy in POLICIES]


def main(arguments: Sequence[str]) -> None:
    """Simulate, print the table, write the JSON."""
    from rich.console import Console

    asked = request(arguments)
    rows = rows_of(asked)
    Console(width=WIDTH).print(table(rows))
    if asked.json is not None:
        replace_text(asked.json, json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
