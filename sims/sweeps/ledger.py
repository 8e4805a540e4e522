"""The sweep's own file: what it was asked, how far each run is, and how good its predictions were."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fedkd.durable import explained, make_folder, replace_text
from fedkd.errors import ConfigurationError
from sims.sweeps.plan import Planned
from sims.sweeps.standing import Standing

if TYPE_CHECKING:
    from sims.sweeps.conductor import Conductor

SWEEP, LOCK = "sweep.json", "lock"
PATIENCE = 3.0
"""Seconds in which the processes of a sweep that was killed are gone."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the sweep's folder: nobody else works on it.

    The runs' processes inherit the lock: a sweep that was killed holds it until the last of them has ended.

    Raises:
        ConfigurationError: another sweep does.
        StorageError: the folder cannot be written.
    """
    make_folder(folder)
    latest = time.monotonic() + PATIENCE
    with explained(folder / LOCK):
        file = (folder / LOCK).open("w")
    with file:
        while not _locked(file.fileno()):
            if time.monotonic() > latest:
                raise ConfigurationError(f"{folder}: another sweep works on it; wait, or choose another --output")
            time.sleep(0.05)
        yield


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def opened(folder: Path, plans: Sequence[Planned], again: bool) -> list[Standing]:
    """Where each run stands, from what it left behind; the seconds spent from the sweep's file.

    Raises:
        ConfigurationError: a folder holds another run.
    """
    standings = [Standing.of(plan, again) for plan in plans]
    spent = _spent(folder)
    for each in standings:
        each.spent, each.setups = spent.get(each.name, (0.0, []))
    return standings


def keep(conductor: Conductor, folder: Path, asked: Sequence[str]) -> None:
    """Write sweep.json."""
    different = conductor.lengths.keys
    content = {
        "overrides": list(asked),
        "slice_seconds": conductor.slice,
        "predictions": {**_predictions(conductor), "unit": "nats of seconds"},
        "runs": [_run(each, different) for each in conductor.standings],
    }
    replace_text(folder / SWEEP, json.dumps(content, indent=1))


def _predictions(conductor: Conductor) -> dict[str, float]:
    """What they cost; the best fixed weights take a linear programme, and are found when all is done."""
    lengths = conductor.lengths
    if not all(each.over for each in conductor.standings):
        return {"count": lengths.count, "surrogate": lengths.surrogate}
    regret = lengths.regret()
    return {**asdict(regret), "regret": regret.regret}


def _run(standing: Standing, keys: Collection[str]) -> dict[str, object]:
    """One run; of its configuration what its length is predicted from."""
    leaves = {key: value for key, value in standing.leaves.items() if key in keys}
    return {
        "folder": standing.name,
        "sha256": standing.plan.sha256,
        "varied": dict(standing.plan.varied),
        "state": "waiting" if standing.state in ("running", "paused", "leaving") else standing.state,
        "rounds_done": standing.done,
        "rounds": standing.plan.rounds,
        "parameters": standing.parameters,
        "seconds_spent": standing.spent,
        "seconds_predicted": standing.predicted,
        "seconds_set_up": standing.setups,
        "seconds_a_round": standing.pace,
        "message": standing.message,
        "leaves": leaves,
    }


def _spent(folder: Path) -> dict[str, tuple[float, list[float]]]:
    """Of each run so far, and its set-ups' seconds; nothing where there is no such file yet, or another program's."""
    try:
        runs = json.loads((folder / SWEEP).read_text())["runs"]
        return {run["folder"]: (float(run["seconds_spent"]), list(map(float, run["seconds_set_up"]))) for run in runs}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
