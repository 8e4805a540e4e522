"""What several orders would have taken on the lengths that a sweep has recorded: mean time to a result."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fedkd.durable import replace_text
from fedkd.errors import ConfigurationError
from fedkd.predict.round_robin import RoundRobin
from sims.sweeps.conductor import LEAST, SHARE
from sims.sweeps.ledger import SWEEP
from sims.sweeps.lengths import Length, Lengths

if TYPE_CHECKING:
    from rich.table import Table

LIVE = 3
"""Processes that may be there, as of ``sims/sweep.py`` with one worker."""
WIDTH = 100


@dataclass(frozen=True)
class Recorded:
    """A run that was really run once.

    Args:
        rounds: each takes the same time here, and ends with a checkpoint.
        seconds: of all rounds.
        set_up: seconds before the first of them, each time that it is started.
        leaves: its configuration by dotted keys.
    """

    name: str
    rounds: int
    seconds: float
    set_up: float
    leaves: Mapping[str, Any]


class Guess(Protocol):
    """What is known of runs while they run."""

    def left(self, run: Recorded, done: int) -> float:
        """Predicted seconds of the rounds that are to come."""

    def saw(self, run: Recorded) -> None:
        """It has had a slice, so that its pace is known, or is over."""


class Truth:
    """Knows."""

    def left(self, run: Recorded, done: int) -> float:
        """As it will be."""
        return run.seconds * (run.rounds - done) / run.rounds

    def saw(self, run: Recorded) -> None:
        """Nothing to learn."""


class Learned(Truth):
    """As a sweep does it: learned from other runs, at its own pace once a run has had a slice.

    Args:
        runs: all that are there.
        known: lengths of earlier ones.
    """

    def __init__(self, runs: Sequence[Recorded], known: Sequence[Length] = ()) -> None:
        self._lengths = Lengths(known, [dict(run.leaves) for run in runs])
        self._paced: set[str] = set()

    def left(self, run: Recorded, done: int) -> float:
        """By its pace, or by its configuration."""
        if run.name in self._paced:
            return super().left(run, done)
        return self._lengths.suggest(dict(run.leaves)) * (run.rounds - done) / run.rounds

    def saw(self, run: Recorded) -> None:
        """Learn."""
        if run.name not in self._paced:
            self._paced.add(run.name)
            self._lengths.observe(run.name, Length(dict(run.leaves), run.seconds))


def first_come(runs: Sequence[Recorded]) -> list[float]:
    """Seconds until each result, one run after the other."""
    ends, now = [], 0.0
    for run in runs:
        now += run.set_up + run.seconds
        ends.append(now)
    return ends


def shortest_first(runs: Sequence[Recorded], guess: Guess) -> list[float]:
    """The run that is predicted shortest, to its end; then the next one."""
    rest, order = list(runs), []
    while rest:
        chosen = min(rest, key=lambda run: guess.left(run, 0))
        rest.remove(chosen)
        order.append(chosen)
        guess.saw(chosen)
    return first_come(order)


def preferential(runs: Sequence[Recorded], guess: Guess, trust: float) -> list[float]:
    """Preferential round robin in slices of ten set-ups, with as many processes as a sweep keeps."""
    robin, seconds = RoundRobin(trust), SHARE * max(statistics.fmean(run.set_up for run in runs), LEAST)
    done, alive, ends, now = [0] * len(runs), list[int](), [0.0] * len(runs), 0.0
    for number, each in enumerate(runs):
        robin.add(number, guess.left(each, 0))
    while (job := _next(robin, lambda number: guess.left(runs[number], done[number]))) is not None:
        run, began = runs[job], now
        if job not in alive:
            if len(alive) == LIVE:
                alive.remove(max(alive, key=lambda other: guess.left(runs[other], done[other])))
            alive.append(job)
            now += run.set_up
        pace = run.seconds / run.rounds
        count = min(max(int(np.ceil((seconds - (now - began)) / pace)), 1), run.rounds - done[job])
        done[job], now = done[job] + count, now + count * pace
        robin.receive(job, now - began)
        guess.saw(run)
        if done[job] == run.rounds:
            robin.end(job)
            alive.remove(job)
            ends[job] = now
    return ends


def _next(robin: RoundRobin, left: Callable[[int], float]) -> int | None:
    for job in robin.jobs:
        robin.predict(job, left(job))
    return robin.next()


@dataclass(frozen=True)
class Row:
    """Mean seconds to a result.

    Args:
        given: with the runs in the order in which they were asked for.
        mean: over random orders.
        worst: of these.
    """

    policy: str
    given: float
    mean: float
    worst: float


def policies(trust: float) -> dict[str, Callable[[Sequence[Recorded]], list[float]]]:
    """Each by its name."""
    return {
        "first come, first served": first_come,
        "shortest predicted first": lambda runs: shortest_first(runs, Learned(runs)),
        "preferential round robin": lambda runs: preferential(runs, Learned(runs), trust),
        "the same, true lengths": lambda runs: preferential(runs, Truth(), trust),
        "shortest first, true lengths": lambda runs: shortest_first(runs, Truth()),
    }


def measure(runs: Sequence[Recorded], orders: int, trust: float) -> list[Row]:
    """Every policy on the given order and on random ones, the same for all."""
    draws = np.random.default_rng(0)
    shuffled = [[runs[place] for place in draws.permutation(len(runs))] for _ in range(orders)]
    rows = []
    for name, policy in policies(trust).items():
        means = [statistics.fmean(policy(order)) for order in shuffled]
        rows.append(Row(name, statistics.fmean(policy(runs)), statistics.fmean(means), max(means)))
    return rows


def read(path: Path) -> list[Recorded]:
    """The lengths in a file that ``replay`` has written, or of a sweep whose folder it is.

    Raises:
        ConfigurationError: there are none, or fewer than two runs are done.
    """
    try:
        if path.is_file():
            found = [Recorded(**each) for each in json.loads(path.read_text())["lengths"]]
        else:
            runs = json.loads((path / SWEEP).read_text())["runs"]
            found = [_recorded(path, run) for run in runs if run["state"] == "done" and run["seconds_a_round"]]
        if not all(run.rounds > 0 and run.seconds > 0 and run.set_up >= 0 for run in found):
            raise ValueError
        return found
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigurationError(f"--replay {path}: holds no lengths; give the folder of a finished sweep") from None


def _recorded(folder: Path, run: Mapping[str, Any]) -> Recorded:
    set_ups = run["seconds_set_up"]
    seconds = run["seconds_spent"] - sum(set_ups)
    return Recorded(run["folder"], run["rounds"], seconds, statistics.fmean(set_ups), run["leaves"])


def replay(path: Path, orders: int, trust: float, file: Path | None) -> None:
    """Measure, print the table, write the numbers with the lengths.

    Raises:
        ConfigurationError: there are no lengths, or orders is below 1.
    """
    from rich.console import Console

    if orders < 1:
        raise ConfigurationError(f"--orders {orders}: is below 1; choose --orders 1000")
    if not 0 <= trust <= 1:
        raise ConfigurationError(f"--lambda {trust:g}: is not in [0, 1]; choose --lambda .8")
    if file is not None and not file.parent.is_dir():
        raise ConfigurationError(f"--json {file}: {file.parent} is no folder; choose another file")
    runs = read(path)
    if len(runs) < 2:
        raise ConfigurationError(f"--replay {path}: has {len(runs)} runs that this sweep ran to their end; needs 2")
    rows = measure(runs, orders, trust)
    Console(width=WIDTH).print(table(rows, orders))
    if file is not None:
        numbers = {"trust": trust, "orders": orders, "rows": [asdict(row) for row in rows]}
        replace_text(file, json.dumps({**numbers, "lengths": [asdict(run) for run in runs]}, indent=1))


def table(rows: Sequence[Row], orders: int) -> Table:
    """A line a policy, beside the first."""
    from rich import box
    from rich.table import Table

    shown = Table(title="mean seconds to a result", box=box.SIMPLE_HEAD)
    for heading in ("order", "as given", f"mean of {orders:,} orders", "worst", "first come /"):
        shown.add_column(heading, justify="left" if heading == "order" else "right", no_wrap=True)
    for row in rows:
        numbers = (f"{row.given:.1f}", f"{row.mean:.1f}", f"{row.worst:.1f}", f"{rows[0].mean / row.mean:.2f}")
        shown.add_row(row.policy, *numbers)
    return shown
