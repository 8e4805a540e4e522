"""Progress of a run: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedkd.durable import explained
from fedkd.records.report import RoundReport, RunInfo
from fedkd.records.summary import curve, headline
from fedkd.records.units import readable_bits, readable_metric, readable_seconds

if TYPE_CHECKING:
    import rich.console
    import rich.progress

LINES = 50
"""About how many lines a run may fill where they stay."""
OUTPUT = Path("standard output")
"""What an error calls it."""
ROOMY = 96
"""Columns of a terminal in which all numbers fit beside the bar."""
RECENT = 10
"""Rounds whose mean duration tells the time that is left."""


@dataclass(frozen=True)
class Standing:
    """Where a run stands after a round.

    Args:
        round: rounds done.
        rounds: at which the run ends.
        metric: the headline's name and latest value in words; empty before the first evaluation.
        seconds_round: mean of the last rounds.
    """

    round: int
    rounds: int
    metric: str
    bits_up: int
    bits_down: int
    seconds_round: float

    @staticmethod
    def of(reports: Sequence[RoundReport], info: RunInfo) -> Standing:
        """Add up the rounds so far; there is at least one."""
        name = headline(reports)
        values = curve(reports, name)
        recent = [report.seconds for report in reports[-RECENT:]]
        return Standing(
            round=reports[-1].round + 1,
            rounds=info.rounds,
            metric=f"{name.replace('_', ' ')} {readable_metric(name, values[-1][1])}" if values else "",
            bits_up=8 * sum(report.bytes_up for report in reports),
            bits_down=8 * sum(report.bytes_down for report in reports),
            seconds_round=sum(recent) / len(recent),
        )

    @property
    def seconds_left(self) -> float:
        """If the coming rounds take as long as the last ones."""
        return self.seconds_round * (self.rounds - self.round)


class Progress(ABC):
    """Shows how a run goes."""

    def __init__(self, console: rich.console.Console, info: RunInfo) -> None:
        self._console, self._info = console, info

    def tell(self, text: str) -> None:
        """Say something that stays."""
        _print(self._console, text)

    @abstractmethod
    def begin(self) -> None:
        """Introduce the run."""

    @abstractmethod
    def show(self, standing: Standing) -> None:
        """Show where it stands after a round."""

    @abstractmethod
    def end(self) -> None:
        """No more rounds follow."""


class PlainProgress(Progress):
    """A line a round; of a long run, about fifty lines."""

    def __init__(self, console: rich.console.Console, info: RunInfo) -> None:
        super().__init__(console, info)
        self._every = max(math.ceil(info.rounds / LINES), 1)

    def begin(self) -> None:
        """One line about the run."""
        _print(self._console, introduction(self._info))

    def show(self, standing: Standing) -> None:
        """The round's line, if it is its turn; the last round always has one."""
        if standing.round % self._every and standing.round != standing.rounds:
            return
        _print(self._console, line(standing))

    def end(self) -> None:
        """Nothing: the lines stay."""


class LiveProgress(Progress):
    """A bar that moves, with the numbers beside it."""

    def __init__(self, console: rich.console.Console, info: RunInfo) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        super().__init__(console, info)
        self._bar = Bar(
            TextColumn("round"),
            MofNCompleteColumn(),
            BarColumn(bar_width=None),
            TextColumn("[bold]{task.fields[metric]}"),
            TextColumn("{task.fields[sent]}"),
            TextColumn("[dim]{task.fields[time]}"),
            console=console,
            expand=True,
        )
        self._task: rich.progress.TaskID | None = None

    def begin(self) -> None:
        """One line about the run, and the empty bar."""
        _print(self._console, introduction(self._info))
        self._task = self._bar.add_task("", total=self._info.rounds, metric="", sent="", time="")
        self._bar.start()

    def show(self, standing: Standing) -> None:
        """Move the bar; a narrow terminal leaves out the pace."""
        if self._task is None:
            return
        sent = f"up {readable_bits(standing.bits_up)}  down {readable_bits(standing.bits_down)}"
        time = timing(standing) if self._console.width >= ROOMY else left(standing)
        self._bar.update(self._task, completed=standing.round, metric=standing.metric, sent=sent, time=time)

    def end(self) -> None:
        """Leave the bar as it stands."""
        self._bar.stop()


def introduction(info: RunInfo) -> str:
    """The run in one line."""
    words = (info.algorithm, info.task.lower().replace("_", " "), info.data)
    return " · ".join((*words, f"{info.clients:,} clients", f"{info.parameters:,} parameters"))


def line(standing: Standing) -> str:
    """The standing in one line of fixed columns."""
    width = len(str(standing.rounds))
    return (
        f"round {standing.round:>{width}}/{standing.rounds}  {standing.metric:<19}"
        f"  up {readable_bits(standing.bits_up):>9}  down {readable_bits(standing.bits_down):>9}"
        f"  {timing(standing)}"
    )


def timing(standing: Standing) -> str:
    """Time a round takes, and the time that is left."""
    pace = f"{readable_seconds(standing.seconds_round)}/round"
    return f"{pace:>12}  {left(standing)}".rstrip()


def left(standing: Standing) -> str:
    """The time that is left; empty after the last round."""
    return f"{readable_seconds(standing.seconds_left)} left" if standing.round < standing.rounds else ""


def _print(console: rich.console.Console, text: str) -> None:
    with explained(OUTPUT):
        console.print(text, highlight=False, markup=False, soft_wrap=True)
