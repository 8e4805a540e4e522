"""A run in a process of its own: it tells the sweep how it goes, and asks at every checkpoint whether to go on."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fedkd.configuration import Settings
from fedkd.errors import ConfigurationError, StorageError
from fedkd.executors import ClientError
from fedkd.executors.forks import Child, fork
from fedkd.executors.lines import LineClosedError, SocketLine
from fedkd.executors.parcels import Kind, Parcel
from fedkd.executors.placement import Seat
from fedkd.job import Job, execute
from fedkd.keys import key
from fedkd.records import Commentator, Outcome, RoundReport, RunInfo
from fedkd.records.summary import headline
from fedkd.signals import SIGNALS, heeded, postponed
from fedkd_compression import kernels
from sims.sweeps.plan import Planned

Execute = Callable[[Job], Outcome]


def load() -> None:
    """Import here what every run needs, so that its process begins with it; no thread and no GPU is touched."""
    import sklearn.datasets
    import torch

    assert sklearn.datasets
    assert torch.__version__
    kernels.on("cpu")
    # The compiled kernels set themselves up at a first call.
    key(0, "data").permutation(4)


def start(plan: Planned, log: Path, others: Sequence[SocketLine]) -> Child:
    """Fork; the child inherits all modules, so that it begins at once, and dies with this process.

    Args:
        plan: of the run.
        log: what the run's process prints, and where it fails in a way that nobody foresaw.
        others: lines to other children.
    """
    return fork(lambda line: _live(line, plan, log), others)


def hear(line: SocketLine) -> dict[str, Any]:
    """What a child says next.

    Raises:
        LineClosedError: it has ended.
    """
    content: dict[str, Any] = json.loads(bytes(line.receive().parts[0]))
    return content


def answer(line: SocketLine, goes_on: bool) -> None:
    """Answer a child that asked; one that has died meanwhile is heard of by its line."""
    with contextlib.suppress(LineClosedError):
        line.send(Parcel(Kind.READY if goes_on else Kind.STOP))


class Herald(Commentator):
    """Tells the sweep of every round.

    Args:
        line: to the sweep.
    """

    def __init__(self, line: SocketLine) -> None:
        self._line = line

    def say(self, **content: object) -> None:
        """Send one object; a sweep that is gone ends the run in order."""
        try:
            with postponed():
                self._line.send(Parcel(Kind.READY, parts=(json.dumps(content).encode(),)))
        except LineClosedError:
            raise KeyboardInterrupt from None

    def goes_on(self, round_: int) -> bool:
        """Ask, and wait for the answer without doing anything."""
        self.say(asks=round_)
        try:
            return self._line.receive().kind is Kind.READY
        except LineClosedError:
            return False

    def announce(self, message: str) -> None:
        """Nothing: the sweep says what it does."""

    def show_workers(self, seats: Sequence[Seat]) -> None:
        """Nothing."""

    def start(self, info: RunInfo) -> None:
        """The set-up is over."""
        self.say(begins=info.begins, parameters=info.parameters)

    def record(self, report: RoundReport) -> None:
        """A round, and the headline metric where it was evaluated."""
        name = headline([report])
        value = report.metrics.get(name, math.nan)
        self.say(round=report.round + 1, metric=name, value=value if math.isfinite(value) else None)

    def finish(self, outcome: Outcome) -> None:
        """Nothing: the process says at its end how the run ended."""


def _live(line: SocketLine, plan: Planned, log: Path) -> None:
    """Run, say how it ended, and be gone."""
    os.setpgid(0, 0)
    with log.open("ab", buffering=0) as file:
        for output in (1, 2):
            os.dup2(file.fileno(), output)
    # The handler of the sweep's own process has been inherited; Ctrl-C reaches that one alone, which tells this one.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    herald = Herald(line)
    with heeded():
        ended = _ended(plan, herald)
        with contextlib.suppress(KeyboardInterrupt):
            herald.say(**ended)


def _ended(plan: Planned, herald: Herald) -> dict[str, object]:
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        outcome = _run(plan, herald)
    except KeyboardInterrupt:
        return {"ended": "interrupted", "message": "interrupted"}
    except (ConfigurationError, StorageError, ClientError) as error:
        return {"ended": "failed", "message": str(error)}
    except Exception as error:
        traceback.print_exc()
        return {"ended": "failed", "message": f"{type(error).__name__}: {error}".splitlines()[0]}
    return {"ended": outcome.reason, "message": outcome.message}


def _run(plan: Planned, herald: Herald) -> Outcome:
    resume = str(plan.folder) if plan.begun() else None
    settings = Settings.of({**plan.values, "resume": resume})
    return execute(Job(settings, plan.folder, plan.values, plan.overrides, herald, herald.goes_on))
