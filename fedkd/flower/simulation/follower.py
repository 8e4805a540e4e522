"""Follows a run that happens elsewhere: a recorder here hears what the ServerApp's recorder is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from fedkd.executors.executor import ClientError
from fedkd.executors.placement import Seat
from fedkd.flower.relay import replay
from fedkd.flower.simulation.listener import Listener
from fedkd.records.report import Commentator, Outcome, Reason, RoundReport, RunInfo
from fedkd.signals import exit_code

PATIENCE = 10.0
"""Seconds that an interrupted run may take to leave its folder."""


class Retold(Commentator):
    """Passes everything on, and remembers how far the run has come."""

    def __init__(self, recorder: Commentator) -> None:
        self._recorder = recorder
        self._began: float | None = None
        self._rounds = 0
        self.outcome: Outcome | None = None

    @property
    def running(self) -> bool:
        """Whether the run has begun, and has not ended."""
        return self._began is not None and self.outcome is None

    def announce(self, message: str) -> None:
        """Pass it on."""
        self._recorder.announce(message)

    def show_workers(self, seats: Sequence[Seat]) -> None:
        """Pass them on."""
        self._recorder.show_workers(seats)

    def start(self, info: RunInfo) -> None:
        """Pass it on; from now on the run has an end."""
        self._began = time.monotonic()
        self._recorder.start(info)

    def record(self, report: RoundReport) -> None:
        """Pass it on."""
        self._rounds = report.round + 1
        self._recorder.record(report)

    def finish(self, outcome: Outcome) -> None:
        """Pass it on."""
        self.outcome = outcome
        self._recorder.finish(outcome)

    def close(self, reason: Reason, message: str) -> None:
        """Finish a run that did not say how it ended, so that the recorder is done with it."""
        if self.running and self._began is not None:
            self.finish(Outcome(reason, self._rounds, time.monotonic() - self._began, "", message))


def follow(listener: Listener, recorder: Commentator, check: Callable[[], None]) -> Outcome:
    """Follow a run to its end. An interruption is passed on, and a second one ends the waiting.

    Args:
        listener: where the ServerApp calls.
        recorder: that hears the run.
        check: raises ClientError when no call is to be expected any more.

    Raises:
        ConfigurationError, ClientError: what the run failed with; ClientError also when it hung up without a word.
        KeyboardInterrupt: before the first round, or twice.
    """
    heard = Retold(recorder)
    try:
        try:
            return _hear(listener, heard, check, None)
        except KeyboardInterrupt as stop:
            if not heard.running:
                raise
            listener.interrupt()
            outcome = _hear(listener, heard, check, time.monotonic() + PATIENCE)
            return replace(outcome, code=exit_code(stop)) if outcome.reason == "interrupted" else outcome
    except ClientError as error:
        heard.close("failed", str(error))
        raise
    except KeyboardInterrupt:
        heard.close("interrupted", "interrupted")
        raise


def _hear(listener: Listener, heard: Retold, check: Callable[[], None], deadline: float | None) -> Outcome:
    for said in listener.hear():
        if said is not None:
            replay(said, heard)
        elif not listener.connected:
            check()
        if deadline is not None and time.monotonic() > deadline:
            raise KeyboardInterrupt
    if heard.outcome is None:
        check()
        raise ClientError("Flower's ServerApp ended before the run did")
    return heard.outcome
