"""timeline.jsonl: which worker trained which client and when, one line a round."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from fedkd.predict import Regret
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
        moved: bytes of client states that went from one worker to another before the round.
        learned: what learned predictions have cost since the run was started or resumed, by what was predicted.
    """

    round: int
    workers: int
    bars: tuple[Placement, ...]
    moved: int = 0
    learned: Mapping[str, Regret] = field(default_factory=dict)

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
    seconds since the round's start; also ``"moved": bytes`` and ``"learned": {name: [count, surrogate, best, cost,
    optimum]}``, where there is something to say; null is a number that is not known.
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
        timeline = RoundTimeline(report.round, workers, report.placements, report.moved, report.learned)
        self._lines.write(report.round, to_line(timeline))

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
    values: dict[str, Any] = {"round": timeline.round, "workers": timeline.workers, "bars": bars}
    if timeline.moved:
        values["moved"] = timeline.moved
    if timeline.learned:
        values["learned"] = {name: [_rounded(one) for one in astuple(each)] for name, each in timeline.learned.items()}
    return json.dumps(values, allow_nan=False)


def of_line(line: str) -> RoundTimeline:
    """The timeline that a line holds."""
    values: dict[str, Any] = json.loads(line)
    learned = {
        name: Regret.of([math.nan if one is None else one for one in numbers])
        for name, numbers in values.get("learned", {}).items()
    }
    bars = tuple(Placement(*bar) for bar in values["bars"])
    return RoundTimeline(values["round"], values["workers"], bars, values.get("moved", 0), learned)


def _rounded(number: float) -> float | None:
    return round(number, DIGITS) if math.isfinite(number) else None


def _numbers(bar: Placement) -> tuple[int, int, float, float, float | None]:
    predicted = None if bar.predicted is None else round(bar.predicted, DIGITS)
    return bar.client, bar.worker, round(bar.begin, DIGITS), round(bar.end, DIGITS), predicted
