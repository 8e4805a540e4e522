"""failures.txt: where clients failed that a run went on without."""

from __future__ import annotations

from pathlib import Path

from fedkd.durable import explained
from fedkd.records.report import Outcome, Recorder, RoundReport, RunInfo

FAILURES = "failures.txt"


class Failures(Recorder):
    """Appends the traceback of every client that failed; there is no file where none did."""

    def __init__(self) -> None:
        self._path = Path(FAILURES)

    def start(self, info: RunInfo) -> None:
        """Take the folder."""
        self._path = info.folder / FAILURES

    def record(self, report: RoundReport) -> None:
        """One paragraph a client."""
        told = [f"round {report.round}, client {client}:\n{trace}\n" for client, trace in report.traces.items()]
        if told:
            with explained(self._path), self._path.open("a", encoding="utf-8") as file:
                file.writelines(told)

    def finish(self, outcome: Outcome) -> None:
        """Nothing: every paragraph is written as it comes."""
