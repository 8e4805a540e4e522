"""The root of a configuration: the top-level keys and one object a group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedkd.admission import Admission
from fedkd.algorithms.algorithm import Row
from fedkd.algorithms.server_optimizers import ServerOptimizer
from fedkd.clients import Residency, StoreChoice
from fedkd.clients.participation import Participation
from fedkd.clocks import Deadline, Latency
from fedkd.configuration.construct import construct
from fedkd.data import Partitioner, Source
from fedkd.errors import ConfigurationError
from fedkd.executors import ExecutorChoice
from fedkd.executors.schedule import Schedule
from fedkd.links import Link
from fedkd.models import Model
from fedkd.records import Console
from fedkd.tasks import ConvexTask, Foreign, SelfSupervised, Task, Teacher
from fedkd.trainers import Batched, Fastest, ForeignTrainer, Serial, Solver

_ANY = 2**63
_RANGES = {
    "seed": (0, _ANY),
    "rounds": (1, _ANY),
    "clients": (1, 10**8),
    "evaluate_every": (1, _ANY),
    "checkpoint_every": (0, _ANY),
    "checkpoint_keep": (1, 12),
    "threads": (1, 1024),
    "reduce_from": (1, _ANY),
}


@dataclass(frozen=True)
class Settings:
    """A whole configuration, checked.

    Args:
        seed: of everything that is random.
        rounds: to run, counted from the start of the run, also when it is resumed.
        clients: number of clients.
        name: of the run's folder; null takes one from algorithm, task, data and time.
        folder: that holds the runs.
        plugins: packages in which ``_target_`` may be found beside ours.
        init: folder of a run from whose model this one starts, or the model.safetensors; null draws all of it.
        resume: folder of a run to continue; null starts afresh.
        changed: keys of a continued run that change from here on; each with everything below it.
        evaluate_every: rounds between evaluations.
        checkpoint_every: rounds between checkpoints; 0 writes none.
        checkpoint_keep: how many of them are kept, the newest, in 1 .. 12.
        threads: CPU threads of one worker.
        reduce_from: expected clients a round from which workers add up their clients' updates; the sum is the same.
        compare: further runs beside this one: a name, and what is overridden.
    """

    seed: int
    rounds: int
    clients: int
    name: str | None
    folder: str
    plugins: tuple[str, ...]
    init: str | None
    resume: str | None
    changed: tuple[str, ...]
    evaluate_every: int
    checkpoint_every: int
    checkpoint_keep: int
    threads: int
    reduce_from: int
    compare: dict[str, tuple[str, ...]]
    task: Task | SelfSupervised | ConvexTask | Foreign
    data: Source
    partitioner: Partitioner
    model: Model | None
    teacher: Teacher | None
    solver: Solver
    trainer: Serial | Batched | Fastest | ForeignTrainer
    algorithm: Row
    uplink: Link
    downlink: Link
    server: ServerOptimizer
    participation: Participation
    latency: Latency
    deadline: Deadline
    admission: Admission
    executor: ExecutorChoice
    schedule: Schedule
    store: StoreChoice
    residency: Residency
    recorder: Console

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if value < least:
                raise ConfigurationError(f"{name}={value} is below {least}; choose {name} >= {least}")
            if value > most:
                raise ConfigurationError(f"{name}={value} exceeds {most}; choose {name} <= {most}")
        _check_names(self)
        if self.changed and self.resume is None:
            raise ConfigurationError(f"changed=[{','.join(self.changed)}]: only a resumed run changes; set resume")

    @staticmethod
    def of(values: Mapping[str, Any]) -> Settings:
        """Check resolved values, key by key, and make the objects; nothing is loaded yet.

        Raises:
            ConfigurationError: the first key that is wrong, in one line.
        """
        plugins = construct(tuple[str, ...], values.get("plugins", ()), "plugins")
        settings: Settings = construct(Settings, values, "", plugins)
        return settings


def _check_names(settings: Settings) -> None:
    """Texts that no folder and no package can have as their name."""
    if not settings.folder:
        raise ConfigurationError("folder='': is empty; choose folder = runs")
    if settings.init == "":
        raise ConfigurationError("init='': is empty; choose init = null")
    for part in () if settings.name is None else settings.name.split("/"):
        if part in ("", ".", "..") or len(part.encode()) > 255:
            raise ConfigurationError(f"name={str(settings.name)[:60]!r}: is no name of a folder; choose name = null")
    for index, name in enumerate(settings.plugins):
        if not name.isidentifier():
            raise ConfigurationError(f"plugins[{index}]={name!r}: is no package; give the name that is imported")
