"""Where each run of a sweep stands."""

from __future__ import annotations

import statistics
import time
from collections import deque
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from fedkd.errors import StorageError
from fedkd.executors.forks import Child
from fedkd.executors.lines import SocketLine
from fedkd.records import read_reports
from fedkd.records.summary import curve, headline
from sims.sweeps.features import Leaves, leaves_of
from sims.sweeps.plan import Planned

State = Literal["waiting", "running", "paused", "leaving", "done", "failed"]
RECENT = 10
"""Rounds whose median is a run's pace."""


@dataclass
class Standing:
    """A run, and how far it is.

    Args:
        state: waiting without a process, running, paused with one, leaving its process, done or failed.
        done: rounds that are done.
        metric: the headline metric's name, with its latest value.
        spent: seconds in which it ran, set-ups included, also under earlier commands.
        setups: seconds of each set-up, also under earlier commands.
        paces: seconds of its last rounds.
        parameters: of its model; 0 before it is known.
        predicted: seconds of the whole run, as predicted before it had begun.
        message: of a run that failed.
        starts: how often this command started its process.
        job: its number among the sweep's runs.
        since: when its slice began; ``marked`` when it last said something, on the monotonic clock.
    """

    plan: Planned
    state: State = "waiting"
    done: int = 0
    metric: str = ""
    value: float | None = None
    spent: float = 0.0
    setups: list[float] = field(default_factory=list)
    paces: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    parameters: int = 0
    predicted: float | None = None
    message: str = ""
    starts: int = 0
    child: Child | None = None
    job: int = 0
    since: float = 0.0
    marked: float = 0.0

    @staticmethod
    def of(plan: Planned, again: bool) -> Standing:
        """As its folder has it: done, failed (which counts no more when it is tried again), or to be gone on with.

        Raises:
            ConfigurationError: the folder holds another run.
        """
        manifest = plan.manifest()
        if manifest is None:
            return Standing(plan)
        found = Standing(plan, **_progress(plan))
        if manifest["reason"] == "finished":
            found.state = "done"
        elif manifest["reason"] == "failed" and manifest["code"] != StorageError.code and not again:
            found.state, found.message = "failed", manifest["message"] or "failed before"
        return found

    @property
    def name(self) -> str:
        """Of its plan's folder: unique."""
        return self.plan.folder.name

    @cached_property
    def leaves(self) -> Leaves:
        """What its length is predicted from."""
        return leaves_of(self.plan)

    @property
    def line(self) -> SocketLine:
        """To its process."""
        assert self.child is not None
        return self.child.line

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self.child is not None
        return self.child.pid

    @property
    def over(self) -> bool:
        """Whether nothing more is to be done for it."""
        return self.state in ("done", "failed")

    @property
    def pace(self) -> float | None:
        """Seconds a round, where it has had one in this command."""
        return statistics.median(self.paces) if self.paces else None

    @property
    def slice(self) -> float:
        """Seconds since its slice began."""
        return time.monotonic() - self.since if self.state == "running" else 0.0

    def runs(self, job: int) -> None:
        """Its slice begins."""
        self.state, self.job = "running", job
        self.since = self.marked = time.monotonic()

    def mark(self) -> float:
        """Seconds since it last said something, or was let go on."""
        now = time.monotonic()
        passed, self.marked = now - self.marked, now
        return passed


def _progress(plan: Planned) -> dict[str, Any]:
    """Rounds and metric of a run that has begun; rounds after its last checkpoint happen again."""
    reports = read_reports(plan.folder)
    name = headline(reports)
    values = curve(reports, name)
    return {"done": len(reports), "metric": name, "value": values[-1][1] if values else None}
