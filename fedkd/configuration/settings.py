"""The root of a configuration: the top-level keys and one object a group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedkd.algorithms.algorithm import Row
from fedkd.algorithms.server_optimizers import ServerOptimizer
from fedkd.clients import StoreChoice
from fedkd.clients.participation import Participation
from fedkd.configuration.construct import construct
from fedkd.data import Partitioner, Source
from fedkd.errors import ConfigurationError
from fedkd.executors import ExecutorChoice
from fedkd.links import Link
from fedkd.models import Model
from fedkd.records import Console
from fedkd.tasks import ConvexTask, Foreign, Task, Teacher
from fedkd.trainers import Batched, Fastest, ForeignTrainer, Serial, Solver


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
        resume: folder of a run to continue; null starts afresh.
        evaluate_every: rounds between evaluations.
        checkpoint_every: rounds between checkpoints; 0 writes none.
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
    resume: str | None
    evaluate_every: int
    checkpoint_every: int
    threads: int
    reduce_from: int
    compare: dict[str, tuple[str, ...]]
    task: Task | ConvexTask | Foreign
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
    executor: ExecutorChoice
    store: StoreChoice
    recorder: Console

    def __post_init__(self) -> None:
        for name, value, least in (
            ("seed", self.seed, 0),
            ("rounds", self.rounds, 1),
            ("clients", self.clients, 1),
            ("evaluate_every", self.evaluate_every, 1),
            ("checkpoint_every", self.checkpoint_every, 0),
            ("threads", self.threads, 1),
            ("reduce_from", self.reduce_from, 1),
        ):
            if value < least:
                raise ConfigurationError(f"{name}={value} is below {least}; choose {name} >= {least}")

    @staticmethod
    def of(values: Mapping[str, Any]) -> Settings:
        """Check resolved values, key by key, and make the objects; nothing is loaded yet.

        Raises:
            ConfigurationError: the first key that is wrong, in one line.
        """
        plugins = construct(tuple[str, ...], values.get("plugins", ()), "plugins")
        settings: Settings = construct(Settings, values, "", plugins)
        return settings
