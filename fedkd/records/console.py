"""The console: progress while a run goes on, a summary when it is over."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from fedkd.durable import explained
from fedkd.errors import ConfigurationError
from fedkd.records import absences
from fedkd.records.jsonl import read_reports
from fedkd.records.progress import OUTPUT, LiveProgress, PlainProgress, Progress, Standing
from fedkd.records.report import Commentator, Outcome, RoundReport, RunInfo
from fedkd.records.summary import summarise
from fedkd.records.summary_table import summary_table

if TYPE_CHECKING:
    import rich.console
    from rich.console import RenderableType

    from fedkd.executors.placement import Seat

Live = Literal["auto", "always", "never"]
WIDTH = 100
"""Columns where there is no terminal to ask: a log file, a pipe."""


class Console(Commentator):
    """Says how a run goes.

    Args:
        live: a progress bar that moves ("always"), lines ("never"), or what the standard output can show ("auto").
        quiet: say nothing at all.
    """

    def __init__(self, live: Live, quiet: bool) -> None:
        if live not in ("auto", "always", "never"):
            raise ConfigurationError(f"Console: live={live!r} is unknown; choose auto, always or never")
        self._live: Live = live
        self._quiet = quiet
        self._info: RunInfo | None = None
        self._reports: list[RoundReport] = []
        self._progress: Progress | None = None

    def announce(self, message: str) -> None:
        """Say in a few words what is being done beside the rounds."""
        from rich.text import Text

        self.show(Text(message, style="dim"))

    def show(self, thing: RenderableType) -> None:
        """Print something that rich can render, such as a table of runs; nothing when quiet."""
        if not self._quiet:
            with explained(OUTPUT):
                open_console(self._live).print(thing)

    def show_workers(self, seats: Sequence[Seat]) -> None:
        """Say where the workers run, if there are several."""
        from fedkd.executors.placement import seat_table

        if len(seats) > 1:
            self.show(seat_table(seats, None))

    def start(self, info: RunInfo) -> None:
        """Introduce the run."""
        self._info, self._reports = info, []
        if self._quiet:
            return
        console = open_console(self._live)
        self._progress = LiveProgress(console, info) if console.is_terminal else PlainProgress(console, info)
        self._progress.begin()

    def record(self, report: RoundReport) -> None:
        """Show the round, and what was sent so far, also before a resumption."""
        if self._progress is None or self._info is None:
            return
        if not self._reports:
            self._reports = [past for past in read_reports(self._info.folder) if past.round < report.round]
        lines = list(absences.lines(report))
        if report.alarm and not (self._reports and self._reports[-1].alarm):
            lines.append(f"round {report.round + 1}: {report.alarm}")
        self._reports.append(report)
        for line in lines:
            self._progress.tell(line)
        self._progress.show(Standing.of(self._reports, self._info))

    def finish(self, outcome: Outcome) -> None:
        """Say how it ended, and sum it up."""
        if self._progress is None or self._info is None:
            return
        self._progress.end()
        self._progress = None
        summary = summarise(self._info.name, self._reports, self._info.uncompressed_bytes)
        self.show(summary_table(summary, outcome))


def open_console(live: Live) -> rich.console.Console:
    """The standard output as rich sees it; a fixed width where it is no terminal."""
    from rich.console import Console as RichConsole

    terminal = {"auto": None, "always": True, "never": False}[live]
    is_terminal = sys.stdout.isatty() if terminal is None else terminal
    return RichConsole(force_terminal=terminal, width=None if is_terminal else WIDTH)
