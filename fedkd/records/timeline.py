"""timeline.jsonl: which worker trained which client and when, one line a round."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedkd.records.lines import RoundLines, read_lines
from fedkd.records.report import Outcome, Placement, Recorder, RoundReport, RunInfo

TIMELINE = "timeline.jsonl"
DIGITS = 6
"""Times are kept to the microsecond."""


@dataclass(frozen=True)
class RoundTimeline:
    """A round on its workers.

    Args:
        round: counted from 0.
        workers: that the run had, also those that got no client in this round.
        bars: one for every client.
    """

    round: int
    workers: int
    bars: tuple[Placement, ...]

    @property
    def makespan(self) -> float:
        """Seconds from the round's start until the last client is done."""
        return max((bar.end for bar in self.bars), default=0.0)

    @property
    def idle_share(self) -> float:
        """1 - (sum of the clients' seconds) / (workers x makespan): 0 when every worker is busy from start to end."""
        available = self.workers * self.makespan
        return 1 - sum(bar.end - bar.begin for bar in self.bars) / available if available else 0.0

    @property
    def errors(self) -> list[float]:
        """|predicted - seconds| / seconds of every client that had a prediction."""
        known = [(bar.predicted, bar.end - bar.begin) for bar in self.bars if bar.predicted is not None]
        return [abs(predicted - seconds) / seconds for predicted, seconds in known if seconds > 0]


class Timeline(Recorder):
    """Writes a line after every round; a resumed run replaces the lines of the rounds that it repeats.

    A line is ``{"round": k, "workers": W, "bars": [[client, worker, begin, end, predicted], ...]}``, with times in
    seconds since the round's start.
    """

    def __init__(self) -> None:
        self._lines = RoundLines(Path(TIMELINE))
        self._workers: int | None = None

    def start(self, info: RunInfo) -> None:
        """Make sure that there is a file; the workers are those of the run's facts."""
        self._lines = RoundLines(info.folder / TIMELINE)
        self._lines.touch()
        seats = info.facts.get("workers")
        self._workers = len(seats) if isinstance(seats, Sequence) else None

    def record(self, report: RoundReport) -> None:
        """Append a line."""
        workers = self._workers
        if workers is None:
            workers = 1 + max((bar.worker for bar in report.placements), default=0)
        self._lines.write(report.round, to_line(RoundTimeline(report.round, workers, report.placements)))

    def finish(self, outcome: Outcome) -> None:
        """Close the file."""
        self._lines.close()


def read_timeline(folder: Path) -> list[RoundTimeline]:
    """The rounds whose timeline a run has left behind; a last line that was cut off by a crash is passed over.

    Raises:
        ConfigurationError: a line before the last is no timeline.
    """
    return read_lines(folder / TIMELINE, of_line)


def to_line(timeline: RoundTimeline) -> str:
    """One line of JSON."""
    bars = [_numbers(bar) for bar in timeline.bars]
    values = {"round": timeline.round, "workers": timeline.workers, "bars": bars}
    return json.dumps(values, allow_nan=False)


def of_line(line: str) -> RoundTimeline:
    """The timeline that a line holds."""
    values: dict[str, Any] = json.loads(line)
    return RoundTimeline(values["round"], values["workers"], tuple(Placement(*bar) for bar in values["bars"]))


def _numbers(bar: Placement) -> tuple[int, int, float, float, float | None]:
    predicted = None if bar.predicted is None else round(bar.predicted, DIGITS)
    return bar.client, bar.worker, round(bar.begin, DIGITS), round(bar.end, DIGITS), predicted
