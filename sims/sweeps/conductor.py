"""A sweep as it goes on: whose turn it is, who waits in memory, who leaves, and what is heard of whom."""

from __future__ import annotations

import os
import selectors
import signal
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fedkd.errors import ConfigurationError
from fedkd.executors.forks import ending
from fedkd.executors.lines import LineClosedError
from fedkd.predict.round_robin import RoundRobin
from fedkd.signals import postponed
from sims.sweeps.child import answer, hear, start
from sims.sweeps.lengths import HISTORY, Length, Lengths, add_length
from sims.sweeps.standing import Standing

TICK = 0.5
"""Seconds after which the clock on the screen moves on."""
SHARE = 10.0
"""A slice is so many times as long as a set-up, which a switch costs at most."""
LEAST = 0.2
"""Seconds that a set-up is taken to last at least, and before there was one."""
LOGS = "logs"


class Screen(Protocol):
    """What is told of every change."""

    def show(self, conductor: Conductor) -> None:
        """Something may have changed."""

    def tell(self, line: str) -> None:
        """Something that stays."""


@dataclass(frozen=True)
class Limits:
    """How much happens at once.

    Args:
        workers: runs at the same time.
        live: processes that may be there, running or waiting in memory.
        slices: seconds of a slice; none takes ten set-ups.
        trust: lambda in [0, 1]: share of the time that the runs with least left get, beside their part of the rest.

    Raises:
        ConfigurationError: a number is out of its range.
    """

    workers: int
    live: int
    slices: float | None
    trust: float

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ConfigurationError(f"--workers {self.workers}: is below 1; choose --workers 1")
        if self.live < self.workers:
            raise ConfigurationError(f"--live {self.live}: is below --workers {self.workers}; choose at least as many")
        if self.slices is not None and not self.slices >= 0:
            raise ConfigurationError(f"--slice {self.slices:g}: is negative; choose >= 0 seconds, or leave it out")
        if not 0 <= self.trust <= 1:
            raise ConfigurationError(f"--lambda {self.trust:g}: is not in [0, 1]; choose --lambda .8")


class Conductor:
    """Runs what is to be run; ``standings`` says at any time how far it is.

    Args:
        folder: of the sweep, which nobody else works on.
        standings: of all its runs.
    """

    def __init__(
        self, folder: Path, standings: Sequence[Standing], lengths: Lengths, limits: Limits, screen: Screen
    ) -> None:
        self.standings, self.lengths, self.limits = standings, lengths, limits
        self._folder, self._screen = folder, screen
        self._selector = selectors.DefaultSelector()
        self._robin = RoundRobin(limits.trust, limits.workers)
        for number, each in enumerate(standings):
            if not each.over:
                self._robin.add(number, self.left(each))
        (folder / LOGS).mkdir(parents=True, exist_ok=True)

    @property
    def knows(self) -> bool:
        """Whether predictions are seconds by now."""
        return self.lengths.learned

    @property
    def slice(self) -> float:
        """Seconds of a slice, from the set-ups so far."""
        setups = [seconds for each in self.standings for seconds in each.setups]
        return (
            SHARE * max(statistics.fmean(setups or [LEAST]), LEAST)
            if self.limits.slices is None
            else self.limits.slices
        )

    def left(self, standing: Standing) -> float:
        """Predicted seconds of its rounds that are to come: at its own pace, where it has one."""
        rounds = standing.plan.rounds - standing.done
        if standing.pace is not None:
            return standing.pace * rounds
        return self.lengths.suggest(standing.leaves) * rounds / standing.plan.rounds

    def conduct(self) -> None:
        """Run all that is not over.

        Raises:
            KeyboardInterrupt: after every run has ended in order.
            StorageError: likewise, where the sweep's own files cannot be written.
        """
        try:
            while not all(each.over for each in self.standings):
                self._fill()
                self._screen.show(self)
                self._listen(TICK)
        except BaseException:
            self._end()
            raise
        finally:
            self._await()
            self._screen.show(self)

    def _fill(self) -> None:
        """Give idle workers their next run; one that must be started may have to wait until there is room."""
        if len(self._in("running")) == self.limits.workers:
            return
        for each in self._robin.jobs:
            self._robin.predict(each, self.left(self.standings[each]))
        while (job := self._robin.next()) is not None:
            chosen = self.standings[job]
            if chosen.child is not None and chosen.state == "paused":
                chosen.runs(job)
                answer(chosen.line, True)
            elif chosen.child is None and len(self._in("running", "paused", "leaving")) < self.limits.live:
                with postponed():
                    self._start(chosen)
                    chosen.runs(job)
            else:
                self._robin.receive(job, 0.0)
                self._make_room()
                return

    def _make_room(self) -> None:
        """The paused run with most to do leaves; its place is free when its process has ended."""
        paused = self._in("paused")
        if not self._in("leaving") and paused:
            leaving = max(paused, key=self.left)
            leaving.state = "leaving"
            answer(leaving.line, False)

    def _start(self, chosen: Standing) -> None:
        if chosen.predicted is None and self.lengths.learned:
            chosen.predicted = self.lengths.suggest(chosen.leaves)
        if chosen.starts == 0:
            self._screen.tell(f"{chosen.plan.name}: {'goes on' if chosen.plan.begun() else 'begins'}")
        chosen.starts += 1
        others = [each.line for each in self.standings if each.child is not None]
        chosen.child = start(chosen.plan, self._folder / LOGS / f"{chosen.name}.txt", others)
        self._selector.register(chosen.line, selectors.EVENT_READ, chosen)

    def _listen(self, seconds: float) -> None:
        for ready, _ in self._selector.select(seconds):
            standing: Standing = ready.data
            # A signal in the middle of a message would leave the rest of it on the line.
            with postponed():
                try:
                    self._heard(standing, hear(standing.line))
                except LineClosedError:
                    self._gone(standing)

    def _heard(self, standing: Standing, said: dict[str, Any]) -> None:
        if "begins" in said:
            standing.setups.append(standing.mark())
            standing.done, standing.parameters = said["begins"], said["parameters"]
        elif "round" in said:
            standing.paces.append(standing.mark())
            standing.done = said["round"]
            if said["metric"]:
                standing.metric, standing.value = said["metric"], said["value"]
        elif "asks" in said:
            standing.mark()
            self._asked(standing)
        else:
            self._ended(standing, said["ended"], said["message"])

    def _asked(self, standing: Standing) -> None:
        """At a checkpoint: within its slice a run goes on at once, after it whoever is next."""
        if standing.state != "running" or standing.slice < self.slice:
            answer(standing.line, standing.state == "running")
            return
        self._charge(standing)
        standing.state = "paused"
        self._learn(standing)

    def _charge(self, standing: Standing) -> None:
        if standing.state == "running":
            standing.spent += standing.slice
            self._robin.receive(standing.job, standing.slice)

    def _learn(self, standing: Standing) -> Length | None:
        """From its pace, as if it kept it."""
        if standing.pace is None:
            return None
        length = Length(standing.leaves, max(standing.pace, 1e-6) * standing.plan.rounds)
        self.lengths.observe(standing.name, length)
        return length

    def _ended(self, standing: Standing, reason: str, message: str) -> None:
        """What a run says of its end; its process is about to be gone."""
        self._charge(standing)
        told = standing.state == "leaving"
        if reason == "finished":
            standing.state = "done"
            self._robin.end(standing.job)
            if (length := self._learn(standing)) is not None:
                if standing.predicted is not None:
                    self.lengths.log(standing.predicted, length)
                add_length(self._folder.parent / HISTORY, length)
            self._screen.tell(f"{standing.plan.name}: done")
        elif not told:
            self._fail(standing, message)

    def _fail(self, standing: Standing, message: str) -> None:
        standing.state, standing.message = "failed", message
        self._robin.end(standing.job)
        self._screen.tell(f"{standing.plan.name}: failed: {message}")

    def _gone(self, standing: Standing) -> None:
        """Its process has ended."""
        self._selector.unregister(standing.line)
        standing.line.close()
        how, standing.child = ending(standing.pid), None
        if standing.state == "leaving":
            standing.state = "waiting"
        elif not standing.over:
            self._charge(standing)
            self._fail(standing, f"its process {how}; the same command goes on with it")

    def _end(self) -> None:
        """Tell all runs to end in order, wherever they are, and wait for them."""
        for standing in self._in("running", "paused", "leaving"):
            if standing.child is not None:
                self._charge(standing)
                standing.state = "leaving"
                os.kill(standing.pid, signal.SIGTERM)

    def _await(self) -> None:
        """Until every process has ended."""
        while any(each.child is not None for each in self.standings):
            self._listen(TICK)
        self._selector.close()

    def _in(self, *states: str) -> list[Standing]:
        return [each for each in self.standings if each.state in states]
