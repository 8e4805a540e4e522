"""Clients whose states lie with single workers: stay where they were trained first, or be matched anew every round.

    python sims/placement.py [--seeds 5] [--rounds 30] [--json placement.json]
    python sims/placement.py --recorded runs/A/timeline.jsonl runs/B/timeline.jsonl

Rounds are those of sims/schedule.py, but every worker keeps the states of its clients. Moving one stops all workers for
a share of the mean client's seconds. The makespan counts these stops, and is held against the lower bound of a round
in which nothing needs to move.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedkd.cli import guarded
from fedkd.durable import replace_text
from fedkd.errors import ConfigurationError
from fedkd.executors.schedule import Matched, PullQueue
from fedkd.predict import Durations
from fedkd.records.timeline import read_timeline
from sims.rounds import SETTINGS, Round
from sims.schedule import WARM_UP, simulate, sized

if TYPE_CHECKING:
    from rich.table import Table

SHARES = (0.01, 0.1, 1.0)
"""Seconds to move a state, over those of the mean client."""

Homes = dict[int, int]


class Sticky:
    """A client stays with the worker that trained it first, which the pull queue chose."""

    name = "sticky"

    def place(self, given: Round, durations: Durations, homes: Homes, moving: float) -> Homes:
        """Nothing is placed beforehand."""
        return {client: homes[client] for client in given.works if client in homes}


class Anywhere(Sticky):
    """Every worker reads every state: what binding costs is what is above this."""

    name = "states shared"

    def place(self, given: Round, durations: Durations, homes: Homes, moving: float) -> Homes:
        """Nobody has a home."""
        return {}


class Matching:
    """Every client is matched with a worker before the round.

    Args:
        warm: whether duals are predicted from earlier rounds.
    """

    def __init__(self, warm: bool) -> None:
        self.name = "matching" if warm else "matching, cold"
        self._warm, self._matched = warm, Matched()
        self.updates: list[float] = []

    def place(self, given: Round, durations: Durations, homes: Homes, moving: float) -> Homes:
        """The matched worker of every client."""
        matched = self._matched if self._warm else Matched()
        before = matched.regret().cost
        seconds = {client: durations.suggest(client, work) for client, work in given.works.items()}
        speeds = {worker: 1 / durations.factor(worker) for worker in range(len(given.factors))}
        placed = matched.place(seconds, speeds, homes, moving)
        self.updates.append(matched.regret().cost - before)
        return placed


Policy = Sticky | Matching
POLICIES: tuple[Callable[[], Policy], ...] = (Sticky, lambda: Matching(True), lambda: Matching(False), Anywhere)


@dataclass(frozen=True)
class Row:
    """One policy on some rounds.

    Args:
        share: seconds to move a state, over those of the mean client.
        ratios: makespan / lower bound of each round after the warm-up.
        moved: states that moved, of each of these rounds, over the clients of the round.
        updates: dual updates of all matchings of each of these rounds; empty without matching.
    """

    setting: str
    share: float
    policy: str
    ratios: tuple[float, ...]
    moved: tuple[float, ...]
    updates: tuple[float, ...]


def measure(setting: str, share: float, begin: Callable[[], Policy], runs: Iterator[Sequence[Round]]) -> Row:
    """Place and schedule the rounds of some runs, each of which learns from its beginning."""
    ratios: list[float] = []
    moved: list[float] = []
    updates: list[float] = []
    for rounds in runs:
        policy, durations, homes = begin(), Durations(), dict[int, int]()
        for number, given in enumerate(rounds):
            moving = share * statistics.fmean(given.seconds.values())
            span, moves = _play(policy, given, durations, homes, moving)
            if number >= WARM_UP:
                ratios.append(span / given.bound)
                moved.append(moves / len(given.works))
        if isinstance(policy, Matching):
            updates += policy.updates[WARM_UP:]
    return Row(setting, share, begin().name, tuple(ratios), tuple(moved), tuple(updates))


def _play(policy: Policy, given: Round, durations: Durations, homes: Homes, moving: float) -> tuple[float, int]:
    """One round: its makespan with all stops, and how many states moved; durations and homes are brought up to date."""
    placed = policy.place(given, durations, homes, moving)
    moves = sum(homes.get(client, worker) != worker for client, worker in placed.items())
    names = {worker: str(worker) for worker in range(len(given.factors))}
    bound = {client: names[worker] for client, worker in placed.items()}
    bars = simulate(given, PullQueue(given.works, durations, names, names, bound))
    for bar in sorted(bars, key=lambda each: each.end):
        durations.observe(bar.client, given.works[bar.client], bar.worker, bar.end - bar.begin)
        homes[bar.client] = bar.worker
    return moves * moving + max(bar.end for bar in bars), moves


def rows_of(seeds: int, rounds: int) -> list[Row]:
    """Every setting, share and policy."""
    return [
        measure(setting.name, share, begin, (list(setting.rounds(rounds, seed)) for seed in range(seeds)))
        for setting in SETTINGS
        for share in SHARES
        for begin in POLICIES
    ]


def table(rows: Sequence[Row]) -> Table:
    """One line a setting, share and policy: mean and deviation over rounds."""
    from rich import box
    from rich.table import Table

    shown = Table(title="makespan, stops included, over the lower bound without any", box=box.SIMPLE_HEAD)
    for heading in ("workers", "move", "policy", "makespan", "worst", "moved %", "dual updates"):
        shown.add_column(heading, no_wrap=True, justify="left" if heading in ("workers", "policy") else "right")
    for row in rows:
        shown.add_row(
            row.setting,
            f"{row.share:g}",
            row.policy,
            f"{statistics.fmean(row.ratios):.3f} ± {statistics.pstdev(row.ratios):.3f}",
            f"{max(row.ratios):.3f}",
            f"{100 * statistics.fmean(row.moved):.1f}",
            f"{statistics.fmean(row.updates):.0f}" if row.updates else "-",
        )
    return shown


def recorded(paths: Sequence[Path]) -> Table:
    """One line a run, from the sixth round on: the share of time in which workers idled, and what moved."""
    from rich import box
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD)
    for heading in ("run", "rounds", "idle %", "MB moved a round"):
        shown.add_column(heading, justify="left" if heading == "run" else "right")
    for path in paths:
        rounds = [each for each in read_timeline(path.parent) if each.bars][WARM_UP:]
        if not rounds:
            raise ConfigurationError(
                f"{path}: has no round after the first {WARM_UP}; give the timeline of a longer run"
            )
        idle, moved = (
            statistics.fmean(values) for values in zip(*((r.idle_share, r.moved) for r in rounds), strict=True)
        )
        shown.add_row(str(path.parent), str(len(rounds)), f"{100 * idle:.1f}", f"{moved / 1e6:.2f}")
    return shown


def request(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--recorded", type=Path, nargs="+", help="timelines of real runs, instead of made-up rounds")
    return sized(parser, arguments)


def main(arguments: Sequence[str]) -> None:
    """Simulate, print the table, write the JSON."""
    from rich.console import Console

    asked = request(arguments)
    if asked.recorded:
        Console(width=110).print(recorded(asked.recorded))
        return
    rows = rows_of(asked.seeds, asked.rounds)
    Console(width=110).print(table(rows))
    if asked.json is not None:
        replace_text(asked.json, json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
