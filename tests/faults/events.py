"""What happens to processes, disks and clocks while a run goes on, and what is to be said against the run after it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fedkd import federation
from fedkd.cli import main
from tests.e2e.runs import manifest_of, resume, run
from tests.faults.children import children, forked, gone
from tests.faults.kills import Case, killed_at, survived
from tests.faults.points import POINTS
from tests.faults.tampering import CAP, CLOCKS, DAY, jump, tampered
from tests.faults.test_storage import on_a_small_disk
from tests.faults.trainers import filling
from tests.faults.trials import ALGORITHMS, BASE, PLACES, Place, Ran, complaints, disturbed, play

Work = Callable[[Place, Path], list[str]]
MCM = ALGORITHMS["mcm"]
REACHED, ROUNDS, PATIENCE = 2, 40, 120.0
"""Rounds that are done when something happens, of how many; seconds until they must be."""


@dataclass(frozen=True)
class Event:
    """Something that happens.

    Args:
        promise: what a run does then.
        work: lets it happen at a place, in a folder; what is wrong.
        places: where it can, or is tried.
    """

    promise: str
    work: Work
    places: tuple[str, ...]


def unforgiven(place: Place, folder: Path) -> list[str]:
    """A bad update, and ``admission=fail``."""
    ran = disturbed(place, folder, "mcm", [(REACHED, 1, "bit in the frame")], REACHED + 1, policy="fail")
    ended, line = (ran.manifest["reason"], ran.manifest["rounds_done"]), ran.manifest["message"]
    named = line.startswith(f"client 1, round {REACHED}") and "\n" not in line
    return [] if ended == ("failed", REACHED) and named else [f"{ended}: {line}"]


def clipped(place: Place, folder: Path) -> list[str]:
    """An update that is too long, and ``admission=clip``."""
    folder.mkdir(parents=True, exist_ok=True)
    more = (*ALGORITHMS["artemis"], "admission=clip", "rounds=5", *tampered(folder, (REACHED, 1, "too long")))
    ran, like = play(place, folder, *more), _local(more)
    remark = ran.lines[REACHED]["remarks"].get("1", "nothing")
    return complaints(ran, like, []) or ([] if remark.endswith(f"clipped to {CAP:g}") else [f"{remark!r} is said"])


def clocks_jump(place: Place, folder: Path) -> list[str]:
    """A day passes while a round goes on, for the server and for every client of the round."""
    folder.mkdir(parents=True, exist_ok=True)
    more = (*MCM, "admission=drop", "rounds=5")
    days = tampered(folder, *((REACHED, client, CLOCKS) for client in range(4)))

    def work() -> None:
        began, played = time.monotonic(), federation.play

        def play_later(whole: federation.Federation, state: Any) -> Any:
            if state.round == REACHED:
                jump()
            return played(whole, state)

        federation.play = play_later
        play(place, folder, *more, *days)
        assert place.ranks or place.starts or time.monotonic() > began + DAY

    code = _ended(_quietly(work, folder))
    return [f"exit code {code}"] if code else complaints(Ran.of(folder / "run"), _local(more), [])


def worker_killed(place: Place, folder: Path) -> list[str]:
    """One of the processes that train is killed; ranks are resumed."""
    more = (*MCM, f"rounds={ROUNDS}")
    if place.ranks:
        with _ranks(place, folder, *more) as job:
            os.kill(max(_ranks_of(folder) - {job.pid}), signal.SIGKILL)
            code = job.wait(PATIENCE)
        resume(folder / "run", ROUNDS, "executor=local")
        return (["the job went on"] if code == 0 else []) + complaints(Ran.of(folder / "run"), _local(more), [])
    server = _quietly(lambda: play(place, folder, *more), folder)
    _reached(folder / "run")
    os.kill(children(server)[0], signal.SIGKILL)
    code = _ended(server)
    return [f"exit code {code}"] if code else complaints(Ran.of(folder / "run"), _local(more), [])


def told_to_end(place: Place, folder: Path) -> list[str]:
    """SIGTERM; then the run is resumed."""
    endless = [*BASE, *place.overrides, *MCM, "rounds=100000", f"folder={folder}", "name=run"]

    def work() -> None:
        sys.argv = ["run.py", *endless]
        main()

    server = _quietly(work, folder)
    _reached(folder / "run")
    workers = children(server)
    os.kill(server, signal.SIGTERM)
    code, manifest = _ended(server), manifest_of(folder / "run")
    wrong = [] if (code, manifest["reason"]) == (143, "interrupted") else [f"exit code {code}, {manifest['reason']}"]
    wrong += [] if gone(workers, 5.0) else ["workers stayed behind"]
    if place.volatile:
        return wrong
    rounds = manifest["rounds_done"] + 1
    resume(folder / "run", rounds)
    return wrong + complaints(Ran.of(folder / "run"), _local((*MCM, f"rounds={rounds}")), [])


def disk_full(place: Place, folder: Path) -> list[str]:
    """In the third round nothing can be written; then there is room, and the run is resumed."""
    folder.mkdir(parents=True, exist_ok=True)
    more = (*MCM, "rounds=4", "checkpoint_every=1")

    def work(disk: Path) -> dict[str, Any]:
        full = run(disk / "cut", [*BASE, *place.overrides, *more, *filling(REACHED, disk / "filler")])
        (disk / "filler").unlink()
        return {"code": full.code, "said": full.message, "sha256": resume(disk / "cut", 4).model_sha256}

    found, like = on_a_small_disk(folder, work), _local(more)
    wrong = [] if found["code"] == 74 and "No space left on device" in found["said"] else [str(found)]
    return wrong if found["sha256"] == like.manifest["model_sha256"] else [*wrong, "another model"]


def server_killed(label: str, place: Place, folder: Path) -> list[str]:
    """SIGKILL at a point of the third round, or the first one after it; then the run is resumed."""
    case, executor = Case("mcm"), place.overrides or ("executor=local",)
    case.prepare(executor)
    killed_at(POINTS[label], REACHED, partial(case.start, folder / "run", executor))
    survived(case, folder / "run")
    return []


ANYWHERE = tuple(PLACES)
HERE = tuple(name for name, place in PLACES.items() if not place.ranks and not place.starts)
BITS = "as if nothing had happened"
KILLS: Mapping[str, Event] = {
    label: Event(f"resumed: {BITS}", partial(server_killed, label), ("local", "processes")) for label in POINTS
}
EVENTS: Mapping[str, Event] = {
    "a bad update, admission=fail": Event("the run ends; one line names client and round", unforgiven, ANYWHERE),
    "an update too long, admission=clip": Event("it is scaled, as everywhere; a remark", clipped, ANYWHERE),
    "clocks jump by a day": Event(BITS, clocks_jump, ANYWHERE),
    "a worker is killed": Event(
        f"{BITS}; ranks once they are resumed", worker_killed, ("processes", "processes, adding", "mpirun")
    ),
    "SIGTERM": Event(f"exit code 143, nobody left; resumed: {BITS}", told_to_end, HERE),
    "the disk is full": Event(f"exit code 74, one line; resumed: {BITS}", disk_full, HERE[:4]),
    **KILLS,
}


@cache
def _local(overrides: tuple[str, ...]) -> Ran:
    """The run of this process; bad updates among the overrides are in it."""
    with TemporaryDirectory() as folder:
        return play(PLACES["local"], Path(folder), *overrides)


def _quietly(work: Callable[[], object], folder: Path) -> int:
    """A process of its own that says what it has to say in a file."""
    folder.mkdir(parents=True, exist_ok=True)

    def told() -> object:
        with (folder / "said").open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        try:
            work()
        except SystemExit as end:
            return end.code
        return 0

    return forked(told)


def _ended(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _reached(folder: Path) -> None:
    """Wait until some rounds are done."""
    metrics, latest = folder / "metrics.jsonl", time.monotonic() + PATIENCE
    while not metrics.is_file() or metrics.read_bytes().count(b"\n") < REACHED:
        assert time.monotonic() < latest, f"no {REACHED} rounds after {PATIENCE:g} seconds"
        time.sleep(0.01)


@contextmanager
def _ranks(place: Place, folder: Path, *overrides: str) -> Iterator[Any]:
    """Ranks in the middle of a run; all of them are gone after it."""
    from tests.e2e.test_mpirun import started

    job = started(place.ranks, [*BASE, *place.overrides, *overrides, "name=run"], folder)
    try:
        _reached(folder / "run")
        yield job
    finally:
        job.kill()
        job.communicate()


def _ranks_of(folder: Path) -> set[int]:
    from tests.executors.mpi.launchers import processes

    return set(map(int, processes(folder)))
