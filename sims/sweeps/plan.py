"""What a sweep is to run: every configuration checked, and named by what varies and a hash of all that counts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from fedkd.changes import WHERE
from fedkd.compose import compose, expand
from fedkd.configuration import Settings, check
from fedkd.durable import check_folder
from fedkd.errors import ConfigurationError
from fedkd.executors import Mpi
from fedkd.records import read_manifest
from fedkd.records.manifest import MANIFEST, configuration_sha256

ELSEWHERE = (*WHERE, "recorder", "folder", "name", "resume", "changed", "compare")
"""Keys that say where a run happens and how it is told; what it is compared with is the sweep itself."""
OWN = ("folder", "name", "resume", "changed")
"""Keys that a sweep gives its runs."""
DIGITS = 8
"""Of the hash, in a folder's name."""
LONGEST = 80
"""Characters of such a name before the hash."""


@dataclass(frozen=True)
class Planned:
    """One run of a sweep.

    Args:
        folder: its name ends with the hash of the configuration.
        varied: what differs between the sweep's runs, by key.
        overrides: all that it is started with.
        values: the resolved configuration.
    """

    folder: Path
    varied: Mapping[str, str]
    overrides: Sequence[str]
    values: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """What a reader calls it: what varies; in a sweep of one, the folder's name."""
        return _words(self.varied) or self.folder.name

    @property
    def label(self) -> str:
        """The configuration that it shares with the runs of other seeds."""
        return _words({key: value for key, value in self.varied.items() if key != "seed"}) or "all"

    @property
    def rounds(self) -> int:
        """At which it ends."""
        return int(self.values["rounds"])

    @cached_property
    def sha256(self) -> str:
        """Of the resolved configuration, without where it happens."""
        return digest(self.values)

    def begun(self) -> bool:
        """Whether there is something to go on from, or to read."""
        return (self.folder / MANIFEST).is_file()

    def manifest(self) -> dict[str, Any] | None:
        """What the run left behind, if it has begun.

        Raises:
            ConfigurationError: the folder holds a run of another configuration.
        """
        if not self.begun():
            return None
        manifest = read_manifest(self.folder)
        if digest(manifest["configuration"]) != self.sha256:
            raise ConfigurationError(f"{self.folder}: holds another run than its name says; move it away")
        return manifest


def digest(values: Mapping[str, Any]) -> str:
    """The sha256 of a resolved configuration, without where it happens."""
    return configuration_sha256({key: value for key, value in values.items() if key not in ELSEWHERE})


def planned(arguments: Sequence[str], output: Path | None) -> list[Planned]:
    """The runs that overrides with several values ask for; each of them can start.

    Args:
        arguments: as of ``sims/run.py -m``.
        output: the sweep's folder; none takes one whose name follows from the overrides.

    Raises:
        ConfigurationError: an override, or one of the runs, is wrong, or two runs are the same.
        StorageError: nothing can be written there.
    """
    _refuse(arguments)
    jobs = [dict.fromkeys(job) for job in expand(["-m", *arguments])]
    varying = _varying([_by_key(job) for job in jobs])
    folder = output or Path("runs", "sweeps", _folder(arguments, varying))
    plans = [_plan(list(job), varying, folder) for job in jobs]
    named: dict[str, Planned] = {}
    for plan in plans:
        if (other := named.setdefault(plan.sha256, plan)) is not plan:
            line = f"{plan.name} and {other.name}: are the same run"
            raise ConfigurationError(f"{line}; sweep over what leaves a trace in a result")
    check_folder(folder)
    return plans


def _refuse(arguments: Sequence[str]) -> None:
    for item in arguments:
        key = item.partition("=")[0].lstrip("+~")
        if key in OWN:
            raise ConfigurationError(f"{item}: a sweep names its runs' folders itself; drop it, or give --output")


def _by_key(job: Sequence[str] | Mapping[str, None]) -> dict[str, str]:
    pairs = (item.partition("=") for item in job)
    return {key.lstrip("+"): value for key, _, value in pairs}


def _varying(jobs: Sequence[Mapping[str, str]]) -> list[str]:
    """Keys whose values are not the same in all jobs."""
    return [key for key in jobs[0] if len({job.get(key) for job in jobs}) > 1]


def _plan(job: list[str], varying: Sequence[str], folder: Path) -> Planned:
    given = _by_key(job)
    varied = {key: given[key] for key in varying}
    values = {**compose(job), "compare": {}}
    try:
        settings = Settings.of(values)
        check(settings)
        _preemptible(settings)
    except ConfigurationError as error:
        raise ConfigurationError(f"{_words(varied)}: {error}" if varied else str(error)) from None
    return Planned(_place(folder, varied, digest(values)), varied, job, values)


def _preemptible(settings: Settings) -> None:
    """Every run can be left at a checkpoint, and goes on from it to the same bits."""
    if settings.checkpoint_every == 0:
        raise ConfigurationError("checkpoint_every=0: a run without checkpoints cannot wait; choose >= 1")
    if isinstance(settings.executor, Mpi):
        raise ConfigurationError("executor: Mpi needs mpirun, which starts one run; choose processes")
    if settings.executor.volatile:
        name = type(settings.executor).__name__
        raise ConfigurationError(f"executor: {name}'s clients lose their memories when a run waits; choose processes")


def _place(folder: Path, varied: Mapping[str, str], sha256: str) -> Path:
    """A run keeps its folder, also where the sweep has grown and its name would be another."""
    found = sorted(folder.glob(f"*{sha256[:DIGITS]}"))
    words = [f"{key.rpartition('.')[2]}-{_plain(value)}" for key, value in varied.items()]
    return found[0] if found else folder / "_".join(["_".join(words)[:LONGEST] or "run", sha256[:DIGITS]])


def _folder(arguments: Sequence[str], varying: Sequence[str]) -> str:
    """The same for the same overrides, in whatever order."""
    sha256 = hashlib.sha256("\n".join(sorted(arguments)).encode()).hexdigest()
    words = "-".join(key.rpartition(".")[2] for key in varying)
    return f"{words[:LONGEST] or 'one'}_{sha256[:DIGITS]}"


def _words(varied: Mapping[str, str]) -> str:
    """A choice by its name alone, any other value with its key: mcm hidden=[16] rounds=10."""
    pairs = ((key.rpartition(".")[2], value) for key, value in varied.items())
    return " ".join(value if value.isidentifier() else f"{key}={value}" for key, value in pairs)


def _plain(value: str) -> str:
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", value).strip("-") or "none"
