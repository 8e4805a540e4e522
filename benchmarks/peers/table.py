"""From what the rows measured to a table a model, and whether they all did the same work."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

EARLY, FINAL = 1e-4, 2e-2
"""Relative differences of losses: what another order of float32 sums may make of a few rounds, and of many."""


@dataclass(frozen=True)
class Measured:
    """One pass of one row.

    Args:
        seconds: of every timed round.
        cpu: CPU seconds a round, of all processes.
        memory: the most at any time, PSS of all processes in MiB.
        early: loss on all clients' samples after two rounds.
        loss: the same after the last round.
        settings: processes and threads, in words.
    """

    seconds: tuple[float, ...]
    cpu: float
    memory: float
    early: float
    loss: float
    settings: str


@dataclass(frozen=True)
class Line:
    """A row of the table.

    Args:
        wall: seconds a round.
        ratio: of the wall to that of the fastest pfl row; None without one.
    """

    row: str
    wall: float
    ratio: float | None
    cpu: float
    memory: float
    early: float
    loss: float
    settings: str


def lines(passes: Mapping[str, Sequence[Measured]]) -> list[Line]:
    """Medians over the passes of every row that has some."""
    walls = {
        name: statistics.median(statistics.median(one.seconds) for one in some) for name, some in passes.items() if some
    }
    fastest = min((wall for name, wall in walls.items() if name.startswith("pfl")), default=None)
    return [
        Line(
            row=name,
            wall=wall,
            ratio=wall / fastest if fastest else None,
            cpu=statistics.median(one.cpu for one in passes[name]),
            memory=statistics.median(one.memory for one in passes[name]),
            early=statistics.median(one.early for one in passes[name]),
            loss=statistics.median(one.loss for one in passes[name]),
            settings=passes[name][0].settings,
        )
        for name, wall in walls.items()
    ]


def strangers(passes: Mapping[str, Sequence[Measured]], exact: Sequence[str]) -> list[str]:
    """What must be said of rows whose losses are far from the median of those that must be equal."""
    early = {name: [one.early for one in passes[name]] for name in exact if passes.get(name)}
    final = {name: [one.loss for one in passes[name]] for name in exact if passes.get(name)}
    return [*_far(early, EARLY, "after two rounds"), *_far(final, FINAL, "at last")]


def _far(losses: Mapping[str, Sequence[float]], tolerance: float, when: str) -> Iterator[str]:
    common = statistics.median(chain.from_iterable(losses.values())) if losses else 0.0
    for name, some in losses.items():
        far = [loss for loss in some if not abs(loss - common) <= tolerance * common]
        if far:
            yield f"{name} did other work: its loss is {far[0]:.6f} {when}, the others' {common:.6f}"


def show(title: str, table: Sequence[Line]) -> None:
    """Print a table."""
    print(f"\n{title}")
    print(f"{'row':<15} {'wall s':>8} {'x pfl':>6} {'CPU s':>8} {'PSS MiB':>8} {'loss 2':>9} {'final':>9}  settings")
    for line in table:
        ratio = f"{line.ratio:6.2f}" if line.ratio else f"{'-':>6}"
        print(
            f"{line.row:<15} {line.wall:8.4f} {ratio} {line.cpu:8.4f} {line.memory:8.0f} {line.early:9.6f}"
            f" {line.loss:9.6f}  {line.settings}"
        )
