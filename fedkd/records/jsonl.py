"""metrics.jsonl: one JSON object a line, one line a round."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedkd.records.lines import RoundLines, read_lines
from fedkd.records.report import Outcome, Recorder, RoundReport, RunInfo

METRICS = "metrics.jsonl"
ELSEWHERE = ("placements", "traces", "moved", "learned")
"""Fields of a report that other files keep."""


class Jsonl(Recorder):
    """Writes a line after every round, and flushes it.

    A resumed run drops the lines from its first round on: they are of rounds that happen again.
    """

    def __init__(self) -> None:
        self._lines = RoundLines(Path(METRICS))

    def start(self, info: RunInfo) -> None:
        """Make sure that there is a file."""
        self._lines = RoundLines(info.folder / METRICS)
        self._lines.touch()

    def record(self, report: RoundReport) -> None:
        """Append a line; before the first one, drop lines that this run replaces."""
        self._lines.write(report.round, to_line(report))

    def commit(self) -> None:
        """Wait until all lines are on the disk."""
        self._lines.sync()

    def finish(self, outcome: Outcome) -> None:
        """Close the file."""
        self._lines.close()


def read_reports(folder: Path) -> list[RoundReport]:
    """The rounds that a run has left behind; a last line that was cut off by a crash is passed over.

    Raises:
        ConfigurationError: a line before the last is no report.
    """
    return read_lines(folder / METRICS, of_line)


def to_line(report: RoundReport) -> str:
    """One line of JSON, without what is in other files; numbers that JSON does not have, not finite, become null."""
    values = dataclasses.asdict(dataclasses.replace(report, placements=(), traces={}, learned={}))
    for name in ELSEWHERE:
        del values[name]
    for name in ("metrics", "diagnostics"):
        values[name] = {key: _finite(value) for key, value in values[name].items()}
    return json.dumps(values, allow_nan=False)


def of_line(line: str) -> RoundReport:
    """The report that a line holds; null reads as NaN, and some fields are in other files."""
    values: dict[str, Any] = json.loads(line)
    changed = {
        "cohort": tuple(values["cohort"]),
        "missing": {int(client): why for client, why in values["missing"].items()},
        "remarks": {int(client): what for client, what in values["remarks"].items()},
        "restarted": tuple(values["restarted"]),
        "metrics": _numbers(values["metrics"]),
        "diagnostics": _numbers(values["diagnostics"]),
    }
    return RoundReport(**{**values, **changed})


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _numbers(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else value for name, value in values.items()}
