"""Runs with bad updates under every executor, and what is to be said against one that should equal another."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fedkd.algorithms.abreast import cores
from tests.e2e.runs import ROOT, SUPERVISED, manifest_of, rounds_of, run
from tests.executors.mpi.launchers import launchers
from tests.faults.tampering import CAP, FAULTS, tampered

Trouble = tuple[int, int, str]
"""Round, client and fault."""
MPIRUN = next((launcher.mpirun for launcher in launchers() if launcher.python == sys.executable), None)
BASE = (*SUPERVISED, f"admission.norm_cap={CAP:g}", "checkpoint_every=10")
ALGORITHMS = {
    "mcm": ("algorithm=mcm",),
    "artemis": ("algorithm=artemis", "algorithm.estimator=PP1"),
    "rand_mcm": ("algorithm=rand_mcm",),
    "sgd": ("algorithm=sgd",),
}
EXACT = ("artemis", "sgd")
"""Those whose server averages over who is there: PP1, and no memory."""


@dataclass(frozen=True)
class Place:
    """Where clients are trained.

    Args:
        overrides: the executor.
        ranks: under mpirun; 0 for none.
        volatile: whether clients may lose their memories, and answer a message with one message.
        starts: Flower's processes.
    """

    overrides: tuple[str, ...]
    ranks: int = 0
    volatile: bool = False
    starts: bool = False

    def has(self, fault: str) -> bool:
        """Whether it can happen here: Flower knows by which message it is answered, and takes one answer."""
        return not (self.volatile and FAULTS[fault].extra)

    def like(self, fault: str) -> str:
        """What a run with this fault must equal: one with a client that does not answer, or one without the fault."""
        return "lost" if self.volatile and fault == "older version" else FAULTS[fault].like


_TWO = ("executor=processes", "executor.workers=2")
_ADDED = ("reduce_from=1",)
PLACES = {
    "local": Place(()),
    "local, adding": Place(_ADDED),
    "processes": Place(_TWO),
    "processes, adding": Place((*_TWO, *_ADDED)),
    "Flower in process": Place(("executor=flower_in_process",), volatile=True),
    "mpirun": Place(("executor=auto",), ranks=2),
    "mpirun, adding": Place(("executor=auto", *_ADDED), ranks=2),
    "Flower's simulation": Place(("executor=flower", f"executor.client_cpus={cores()}"), volatile=True, starts=True),
}


@dataclass(frozen=True)
class Ran:
    """What a run has left."""

    manifest: dict[str, Any]
    lines: list[dict[str, Any]]

    @staticmethod
    def of(folder: Path) -> Ran:
        """Read it."""
        return Ran(manifest_of(folder), rounds_of(folder))


def play(place: Place, folder: Path, *overrides: str) -> Ran:
    """A run at a place, in ``folder``/run."""
    chosen = [*BASE, *place.overrides, *overrides]
    if place.ranks:
        from tests.e2e.test_mpirun import ended, started

        end = ended(started(place.ranks, [*chosen, "name=run"], folder), folder)
        ran = Ran.of(folder / "run")
        assert ran.manifest["reason"] != "running", f"exit code {end.code}: {end.text}"
        return ran
    if place.starts:
        os.environ["PYTHONPATH"] = os.pathsep.join(map(str, (ROOT, ROOT / "compression")))
    run(folder / "run", chosen)
    return Ran.of(folder / "run")


def disturbed(
    place: Place, folder: Path, algorithm: str, troubles: Sequence[Trouble], rounds: int, policy: str = "drop"
) -> Ran:
    """A run with bad updates."""
    folder.mkdir(parents=True, exist_ok=True)
    more = (f"admission={policy}", f"rounds={rounds}", *tampered(folder, *troubles))
    return play(place, folder, *ALGORITHMS[algorithm], *more)


def in_a_row(place: Place, faults: Iterable[str] = FAULTS) -> tuple[list[Trouble], int]:
    """Each fault in a round of its own, followed by one without; and the rounds of such a run."""
    here = [fault for fault in faults if place.has(fault)]
    return [(2 * index + 1, index % 4, fault) for index, fault in enumerate(here)], 2 * len(here) + 2


def equal_to(place: Place, algorithm: str, troubles: Sequence[Trouble], rounds: int) -> Ran:
    """The run that one with these troubles must equal: its clients did not answer, or nothing happened to them."""
    likes = [(round_, client, place.like(fault)) for round_, client, fault in troubles]
    quiet = tuple(like for like in likes if like[2] != "undisturbed")
    return _quiet(algorithm, quiet, rounds, any(like[2] == "lost" for like in likes))


@cache
def _quiet(algorithm: str, troubles: tuple[Trouble, ...], rounds: int, lost: bool) -> Ran:
    with tempfile.TemporaryDirectory() as folder:
        place = PLACES["Flower in process" if lost else "local"]
        return disturbed(place, Path(folder), algorithm, troubles, rounds)


def complaints(ran: Ran, like: Ran, troubles: Sequence[Trouble]) -> list[str]:
    """What is wrong with a run: it is another's, but for the bytes and the words of what was bad."""
    wrong = [] if ran.manifest["reason"] == "finished" else [f"{ran.manifest['reason']}: {ran.manifest['message']}"]
    loose = {round_ for round_, _, _ in troubles}
    loose |= {round_ + 1 for round_, _, fault in troubles if FAULTS[fault].extra}
    for one, other in zip(ran.lines, like.lines, strict=False):
        differ = [key for key in one if _seen(one, key, loose) != _seen(other, key, loose)]
        wrong += [f"round {one['round']}: {', '.join(differ)} of another run"] if differ else []
    if not wrong and ran.manifest["model_sha256"] != like.manifest["model_sha256"]:
        wrong.append("another model")
    for trouble in troubles:
        wrong += _untold(ran, *trouble)
    return wrong


def _seen(line: dict[str, Any], key: str, loose: set[int]) -> object:
    """What of a metrics line must be equal."""
    if line["round"] in loose and key in ("bytes_up", "bytes_header", "bytes_side", "bytes_body", "remarks"):
        return None
    return sorted(line[key]) if key == "missing" else line[key]


def _untold(ran: Ran, round_: int, client: int, fault: str) -> list[str]:
    """What the metrics do not say of a fault; who answers again may be heard while the next round goes on."""
    if len(ran.lines) < round_ + 2:
        return [f"only {len(ran.lines)} rounds"]
    here, after = ran.lines[round_ : round_ + 2]
    found = {**after["remarks"], **here["remarks"]} if FAULTS[fault].extra else here["missing"]
    said = str(found.get(str(client), "nothing"))
    return [] if re.fullmatch(FAULTS[fault].why, said) else [f"{fault}: {said!r} is said of client {client}"]
