"""metrics.jsonl: one JSON object a line, one line a round."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from fedkd.durable import replace_text
from fedkd.errors import ConfigurationError
from fedkd.records.report import Outcome, Recorder, RoundReport, RunInfo

METRICS = "metrics.jsonl"


class Jsonl(Recorder):
    """Writes a line after every round, and flushes it.

    A resumed run drops the lines from its first round on: they are of rounds that happen again.
    """

    def __init__(self) -> None:
        self._path = Path(METRICS)
        self._file: TextIO | None = None

    def start(self, info: RunInfo) -> None:
        """Make sure that there is a file."""
        self._path = info.folder / METRICS
        self._path.touch()

    def record(self, report: RoundReport) -> None:
        """Append a line; before the first one, drop lines that this run replaces."""
        if self._file is None:
            _keep_before(self._path, report.round)
            self._file = self._path.open("a", encoding="utf-8")
        self._file.write(to_line(report) + "\n")
        self._file.flush()

    def finish(self, outcome: Outcome) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def read_reports(folder: Path) -> list[RoundReport]:
    """The rounds that a run has left behind; a last line that was cut off by a crash is passed over.

    Raises:
        ConfigurationError: a line before the last is no report.
    """
    path = folder / METRICS
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    reports = []
    for number, line in enumerate(lines, start=1):
        try:
            reports.append(of_line(line))
        except (ValueError, TypeError, KeyError):
            if number < len(lines):
                raise ConfigurationError(f"{path} line {number}: is no report of a round; delete the line") from None
    return reports


def to_line(report: RoundReport) -> str:
    """One line of JSON; numbers that are not finite, which JSON does not have, become null."""
    values = dataclasses.asdict(report)
    for name in ("metrics", "diagnostics"):
        values[name] = {key: _finite(value) for key, value in values[name].items()}
    return json.dumps(values, allow_nan=False)


def of_line(line: str) -> RoundReport:
    """The report that a line holds; null reads as NaN."""
    values: dict[str, Any] = json.loads(line)
    changed = {
        "cohort": tuple(values["cohort"]),
        "missing": tuple(values["missing"]),
        "metrics": _numbers(values["metrics"]),
        "diagnostics": _numbers(values["diagnostics"]),
    }
    return RoundReport(**{**values, **changed})


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _numbers(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else value for name, value in values.items()}


def _keep_before(path: Path, first: int) -> None:
    """Rewrite the file without its lines of round ``first`` and later."""
    reports = read_reports(path.parent)
    kept = [to_line(report) + "\n" for report in reports if report.round < first]
    replace_text(path, "".join(kept))
