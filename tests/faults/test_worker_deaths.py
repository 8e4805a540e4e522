"""Workers that are killed, at any time and with any order in hand: the run goes on and gives the same bits."""

from __future__ import annotations

import os
import random
import re
import signal
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from fedkd.executors.forks import ForkHub
from fedkd.executors.lines import Event
from fedkd.executors.parcels import Kind, Parcel
from tests.e2e.runs import SUPERVISED, resume, rounds_of, run
from tests.faults.children import children
from tests.faults.trainers import faulty

pytestmark = pytest.mark.e2e

ROUNDS, WORKERS, KILLS = 11, 3, 10
RUN = (*SUPERVISED, "clients=6", "participation=bernoulli", "participation.p=0.8")
SEVERAL = ("executor=processes", f"executor.workers={WORKERS}")
REDUCED = "reduce_from=1"

Reference = Callable[[str], tuple[Path, str]]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """Folder and final model of an algorithm's run in this process, two rounds longer than the disturbed ones."""

    @cache
    def of(algorithm: str) -> tuple[Path, str]:
        folder = tmp_path_factory.mktemp("undisturbed") / "run"
        return folder, run(folder, [*RUN, f"algorithm={algorithm}", f"rounds={ROUNDS + 2}"]).model_sha256

    return of


class Killer:
    """Kills random workers, about every seventh time that the server waits, some random milliseconds later.

    At most two in a round: three may fall on one client, and that is a failure.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.killed: list[int] = []
        self._random, self._due, self._waits, self._here = random.Random(5), list[bool](), 0, 0  # noqa: S311
        self._times = {7 * kill + self._random.randrange(5) for kill in range(KILLS)}
        wait = ForkHub.wait

        def wait_in_danger(hub: ForkHub) -> Event:
            if self._waits in self._times:
                self._arm()
            self._waits += 1
            event = wait(hub)
            if event.parcel is not None and event.parcel.kind is Kind.METRICS:
                self._here = 0
                self.strike()
            return event

        monkeypatch.setattr(ForkHub, "wait", wait_in_danger)

    def strike(self, *_: object) -> None:
        """Also the alarm's handler, which runs in this thread between any two steps of the server."""
        if self._here == 2 or not self._due:
            return
        self._due.pop()
        self._here += 1
        left = [worker for worker in children(os.getpid()) if worker not in self.killed]
        self.killed.append(self._random.choice(left))
        os.kill(self.killed[-1], signal.SIGKILL)

    def _arm(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.strike()
        self._due.append(True)
        signal.setitimer(signal.ITIMER_REAL, self._random.uniform(1e-4, 0.01))


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Killer]:
    """At work during the test."""
    killer = Killer(monkeypatch)
    before = signal.signal(signal.SIGALRM, killer.strike)
    yield killer
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("algorithm", "reduced"), [("mcm", False), ("rand_mcm", True)])
def test_ten_deaths_leave_no_trace(
    algorithm: str,
    reduced: bool,
    killer: Killer,
    undisturbed: Reference,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor has the last checkpoint suffered, from which the last two rounds are run again."""
    several = [*SEVERAL, *[REDUCED] * reduced, "checkpoint_every=3"]
    outcome = run(tmp_path, [*RUN, f"algorithm={algorithm}", *several, f"rounds={ROUNDS}"])
    assert (outcome.reason, outcome.message, len(killer.killed)) == ("finished", "", KILLS)
    assert not children(os.getpid())
    monkeypatch.undo()
    whole, digest = undisturbed(algorithm)
    assert rounds_of(tmp_path) == rounds_of(whole)[:ROUNDS]
    assert resume(tmp_path, ROUNDS + 2).model_sha256 == digest
    assert rounds_of(tmp_path) == rounds_of(whole)


ORDERS = (Kind.ROUND, Kind.TRAIN, Kind.SUM, Kind.EVALUATE, Kind.COMMIT)


def test_a_death_with_any_order_in_hand_leaves_no_trace(
    undisturbed: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every round the first worker that gets another kind of order dies with it."""
    send, round_, done = ForkHub.send, 0, []

    def send_to_the_dead(hub: ForkHub, worker: int, parcel: Parcel) -> None:
        nonlocal round_
        round_ = parcel.round if parcel.kind is Kind.ROUND else round_
        if round_ not in done and round_ < len(ORDERS) and parcel.kind is ORDERS[round_]:
            done.append(round_)
            _kill(hub, worker)
        send(hub, worker, parcel)

    monkeypatch.setattr(ForkHub, "send", send_to_the_dead)
    run(tmp_path, [*RUN, "algorithm=mcm", *SEVERAL, REDUCED, f"rounds={ROUNDS}"])
    assert done == list(range(len(ORDERS)))
    assert rounds_of(tmp_path) == rounds_of(undisturbed("mcm")[0])[:ROUNDS]


def test_a_sum_that_was_told_is_dropped_with_its_worker_when_another_must_add_again(
    undisturbed: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first worker tells its sum, and dies; then the others do, which had not told theirs."""
    send, wait, asked, told = ForkHub.send, ForkHub.wait, dict[int, list[int]](), []

    def send_to_the_stopped(hub: ForkHub, worker: int, parcel: Parcel) -> None:
        if parcel.kind is Kind.SUM and parcel.round not in told:
            asked.setdefault(parcel.round, []).append(worker)
            if asked[parcel.round][0] != worker:
                os.kill(hub._children[worker].pid, signal.SIGSTOP)
        send(hub, worker, parcel)

    def wait_for_the_worst(hub: ForkHub) -> Event:
        event = wait(hub)
        if event.parcel is not None and event.parcel.kind is Kind.SUMMED and event.parcel.round not in told:
            told.append(event.parcel.round)
            _kill(hub, event.worker)
        elif event.parcel is None and event.worker == asked[told[-1]][0]:
            for worker in asked[told[-1]][1:]:
                _kill(hub, worker)
        return event

    monkeypatch.setattr(ForkHub, "send", send_to_the_stopped)
    monkeypatch.setattr(ForkHub, "wait", wait_for_the_worst)
    outcome = run(tmp_path, [*RUN, "algorithm=mcm", *SEVERAL, REDUCED, "rounds=3"])
    assert (outcome.reason, told) == ("finished", [0, 1, 2])
    assert rounds_of(tmp_path) == rounds_of(undisturbed("mcm")[0])[:3]


def test_an_evaluation_that_kills_its_worker_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    send = ForkHub.send

    def send_to_the_dead(hub: ForkHub, worker: int, parcel: Parcel) -> None:
        if parcel.kind is Kind.EVALUATE:
            _kill(hub, worker)
        send(hub, worker, parcel)

    monkeypatch.setattr(ForkHub, "send", send_to_the_dead)
    outcome = run(tmp_path, [*SUPERVISED, *SEVERAL])
    assert (outcome.reason, outcome.message) == ("failed", "evaluation: its worker died, 3 times")


def test_a_client_that_kills_its_workers_fails_the_run(tmp_path: Path) -> None:
    outcome = run(tmp_path, [*SUPERVISED, *SEVERAL, *faulty("dies", 1, 3)])
    assert (outcome.reason, outcome.rounds) == ("failed", 1)
    assert outcome.message == "client 3, round 1: its worker was killed by signal 9, 3 times"
    assert not children(os.getpid())


def test_a_death_takes_memories_along_that_only_the_worker_had(tmp_path: Path) -> None:
    outcome = run(tmp_path, [*SUPERVISED, *SEVERAL, "store=memory", *faulty("dies", 1, 3)])
    assert (outcome.reason, outcome.rounds) == ("failed", 1)
    lost = r"worker \d on \S+ \(cpu\) was killed by signal 9, and its clients' memories with it; choose store=folder"
    assert re.fullmatch(lost, outcome.message)


def _kill(hub: ForkHub, worker: int) -> None:
    os.kill(hub._children[worker].pid, signal.SIGKILL)
