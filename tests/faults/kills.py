"""Runs whose server is killed, once or several times, and that must end as if nothing had happened.

    python -m tests.faults.kills --kills 500 [--seed 0]

kills at random points of random rounds and at random instants, with and without worker processes, and prints how
often each was survived.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import torch

from fedkd.checkpoints import Checkpoints
from fedkd.compose import compose
from fedkd.configuration import Settings, check
from fedkd.job import Job, execute
from fedkd.records import Outcome
from fedkd.records.timeline import read_timeline
from tests.e2e.runs import SUPERVISED, TINY, resume, rounds_of, run
from tests.faults.children import children, forked, gone
from tests.faults.points import IN_FILES, POINTS, Point, arm

ROUNDS = 7
ALGORITHMS = {
    "sgd": (*TINY, "algorithm=sgd"),
    "mcm": (*SUPERVISED, "algorithm=mcm", "participation=bernoulli", "participation.p=0.6"),
    "dore": (*SUPERVISED, "algorithm=dore"),
}
"""With a teacher; with clients that stay away; with a common step."""
LOCAL, PROCESSES = ("executor=local",), ("executor=processes", "executor.workers=2")
EVERY = {1: ("checkpoint_every=1", "checkpoint_keep=2"), 3: ("checkpoint_every=3", "checkpoint_keep=1")}
INSTANT = "at a random instant"
LONGEST = 0.8
"""Seconds until the latest of these: a run takes about half as long on an idle core."""


@dataclass(frozen=True)
class Case:
    """A run that is to be killed."""

    algorithm: str
    every: int = 1
    store: str = "folder"

    def has(self, label: str) -> bool:
        """Whether it comes by a point; without memories a client's state is a head alone."""
        return label not in IN_FILES or (self.store == "folder" and self.algorithm != "sgd")

    def start(self, folder: Path, executor: tuple[str, ...] = LOCAL) -> Outcome:
        """Run it from the beginning."""
        values, settings = self._composed(executor)
        return execute(Job(settings, folder, values, self._overrides(executor), settings.recorder))

    def prepare(self, executor: tuple[str, ...] = LOCAL) -> None:
        """Do before a fork what need not be done after it."""
        self._composed(executor)

    @cache  # noqa: B019 - a case is a value
    def _composed(self, executor: tuple[str, ...]) -> tuple[dict[str, Any], Settings]:
        values = compose(self._overrides(executor))
        settings = Settings.of(values)
        check(settings)
        return values, settings

    def _overrides(self, executor: tuple[str, ...]) -> list[str]:
        more = (f"rounds={ROUNDS}", f"store={self.store}", *EVERY[self.every])
        return [*ALGORITHMS[self.algorithm], *more, *executor]


@cache
def whole(algorithm: str) -> tuple[str, list[dict[str, object]]]:
    """The model and the lines of a run that nothing happens to; neither store nor checkpoints leave a trace in them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        outcome = run(path, [*ALGORITHMS[algorithm], f"rounds={ROUNDS}", "store=memory", "checkpoint_every=0"])
        return outcome.model_sha256, rounds_of(path)


def killed_at(point: Point, round_: int, work: Callable[[], object]) -> bool:
    """Do the work in a process that is killed at a point of a round, or at the first one after it; whether it was."""

    def doomed() -> object:
        arm(point, round_)
        return work()

    return _killed(forked(doomed))


def killed_after(seconds: float, work: Callable[[], object]) -> bool:
    """Do the work in a process that is killed after some time; whether it was, or had ended before."""
    server = forked(work)
    time.sleep(seconds)
    workers = children(server)
    os.kill(server, signal.SIGKILL)
    killed = _killed(server)
    assert gone(workers, 5.0)
    return killed


def _killed(server: int) -> bool:
    """Whether it was, or else ended well."""
    _, status = os.waitpid(server, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL), f"the server failed: {code}"
    return code != 0


def survived(case: Case, folder: Path, round_: int = 0) -> None:
    """Resume a run that was killed in a round, or later, and hold it against one that was not.

    Its newest checkpoint must be whole, and the last that was due before this round or a newer one.
    """
    kept = Checkpoints(folder, 2).load(_damaged)
    assert (0 if kept is None else kept.server.round) >= round_ - round_ % case.every
    outcome = resume(folder, ROUNDS) if (folder / "manifest.json").is_file() else case.start(folder)
    sha256, lines = whole(case.algorithm)
    assert (outcome.reason, outcome.rounds, outcome.model_sha256) == ("finished", ROUNDS, sha256)
    assert rounds_of(folder) == lines
    assert [line.round for line in read_timeline(folder)] == [*range(ROUNDS)]
    assert not [*folder.rglob("*.tmp")]


def _damaged(line: str) -> None:
    raise AssertionError(line)


def _random_kill(random: Random, case: Case, work: Callable[[], object], round_: int) -> str | None:
    """Kill at an instant, or at a point of a round; the result says where, or is None where the run ended before."""
    label = random.choice([INSTANT, INSTANT, *POINTS])
    if label == INSTANT or not case.has(label):
        return INSTANT if killed_after(random.uniform(0.0, LONGEST), work) else None
    return label if killed_at(POINTS[label], round_, work) else None


def _trial(random: Random, folder: Path) -> tuple[list[str], str]:
    """A run that is killed up to three times: where, and what was wrong at the end."""
    case = Case(random.choice([*ALGORITHMS]), random.choice([*EVERY]), random.choice(["folder", "memory"]))
    executor, where, reached = random.choice([LOCAL, PROCESSES]), list[str](), 0
    case.prepare(executor)
    try:
        for _ in range(random.choice([1, 1, 2, 3])):
            started = (folder / "manifest.json").is_file()
            work = partial(resume, folder, ROUNDS, *executor) if started else partial(case.start, folder, executor)
            round_ = random.randrange(5)
            label = _random_kill(random, case, work, round_)
            reached = max(reached, round_) if label in POINTS else reached
            where += [] if label is None else [f"{label}, {executor[0].partition('=')[2]}"]
        survived(case, folder, reached)
    except Exception as error:
        return where or ["nowhere"], f"{case}, {executor[0]}: {type(error).__name__}: {error}"
    return where, ""


def main() -> None:
    """Kill, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    kills, ok, failures, began = Counter[str](), Counter[str](), list[str](), time.perf_counter()
    for algorithm in ALGORITHMS:
        whole(algorithm)
    for trial in count():
        with tempfile.TemporaryDirectory() as folder:
            where, wrong = _trial(Random(options.seed * 1_000_003 + trial), Path(folder) / "run")  # noqa: S311
        kills.update(where)
        ok.update([] if wrong else where)
        failures += [f"trial {trial}: {wrong}"] if wrong else []
        if kills.total() >= options.kills:
            break
    rows = [f"{label:<68} {kills[label]:5} {ok[label]:5}" for label in sorted(kills)]
    rows += [f"{'all':<68} {kills.total():5} {ok.total():5}", f"{time.perf_counter() - began:.0f} seconds"]
    print("\n".join([f"{'killed':<68} kills    ok", *rows, *failures]))  # noqa: T201
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
