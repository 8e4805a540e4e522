"""Trials: which trainer, and how many workers on a GPU, train this run's clients fastest on this machine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from fedkd.build import Setup
from fedkd.configuration.construct import construct
from fedkd.keys import key
from fedkd.tasks.learner import Learner, Networked
from fedkd.trainers import Batched, Fastest, Serial

if TYPE_CHECKING:
    from fedkd.executors import ExecutorChoice
    from fedkd.executors.workshop import Workshop

SAMPLES = {"cpu": 4_000, "cuda": 100_000}
"""Samples that a trial's round goes through at most, on each device: it is to take about a second."""
HOPELESS = 4.0
"""A candidate whose first round takes so many times the best one's second is not given another."""


@dataclass(frozen=True)
class Timing:
    """One candidate's two rounds, on all workers at the same time.

    Args:
        method: how it computes.
        workers: how many trained at the same time.
        seconds_client: of the first round and the second, divided by the clients of all workers; the second may miss.
    """

    trainer: Serial | Batched
    executor: ExecutorChoice
    method: str
    workers: int
    seconds_client: tuple[float, ...]

    @property
    def pace(self) -> float:
        """Seconds a client, once warm; infinite where the first round was hopeless."""
        return self.seconds_client[1] if len(self.seconds_client) > 1 else float("inf")

    def row(self) -> dict[str, object]:
        """As the manifest keeps it."""
        seconds = {"workers": self.workers, "seconds_client": list(self.seconds_client)}
        return {"trainer": configured(self.trainer), "method": self.method, **seconds}


@dataclass(frozen=True)
class Choice:
    """What was chosen, and from what.

    Args:
        facts: for the manifest.
    """

    setup: Setup
    values: Mapping[str, object]
    facts: Mapping[str, object]


def choose(setup: Setup, values: Mapping[str, object], folder: Path, announce: Callable[[str], None]) -> Choice:
    """Time the candidates of ``trainer=auto`` in two rounds each, and take the fastest; other trainers stay.

    Args:
        setup: with the trainer to be found.
        values: the resolved configuration; the trainer in it becomes the one chosen.
        folder: of the run, in which teachers keep what they learn.
        announce: told in a few words what is being done.
    """
    fastest = setup.settings.trainer
    if not isinstance(fastest, Fastest):
        return Choice(setup, values, {})
    announce("timing trainers")
    timings = _timings(setup, fastest, folder)
    best = min(timings, key=lambda timing: timing.pace)
    announce(f"trainer: {best.method}, {best.workers} workers, {best.pace:.3g} s a client")
    facts = {"trainer_choice": configured(best.trainer), "trainer_timings": [timing.row() for timing in timings]}
    return _taken(setup, values, best.trainer, best.executor, facts)


def chosen_before(setup: Setup, values: Mapping[str, object], manifest: Mapping[str, Any]) -> Choice:
    """What a run that is resumed chose at its start."""
    if not isinstance(setup.settings.trainer, Fastest):
        return Choice(setup, values, {})
    facts = {name: manifest["facts"][name] for name in ("trainer_choice", "trainer_timings")}
    trainer: Serial | Batched = construct(Serial | Batched, facts["trainer_choice"], "trainer")
    return _taken(setup, values, trainer, setup.settings.executor, facts)


def configured(trainer: Serial | Batched) -> dict[str, object]:
    """The trainer as a configuration has it."""
    return {"_target_": f"fedkd.trainers.{type(trainer).__name__}", **asdict(trainer)}


def _taken(
    setup: Setup,
    values: Mapping[str, object],
    trainer: Serial | Batched,
    executor: ExecutorChoice,
    facts: Mapping[str, object],
) -> Choice:
    taken = replace(setup, settings=replace(setup.settings, trainer=trainer, executor=executor))
    return Choice(taken, {**values, "trainer": configured(trainer)}, facts)


def _timings(setup: Setup, fastest: Fastest, folder: Path) -> list[Timing]:
    settings, timings = setup.settings, list[Timing]()
    cohort = settings.participation.draw(settings.clients, key(settings.seed, "participation", 0)) or (0,)
    learner = setup.learner
    assert isinstance(learner, Learner), "settings.check refuses foreign tasks"
    for executor in settings.executor.densities():
        for trainer in fastest.candidates(learner, len(cohort)):
            best = min((timing.pace * timing.workers for timing in timings), default=float("inf"))

            def trial(device: str, trainer: Serial | Batched = trainer, best: float = best) -> bytes:
                tried = replace(setup, settings=replace(settings, trainer=trainer))
                shop = tried.workshop(device, folder)
                return json.dumps(_rounds(shop, setup, cohort, HOPELESS * best)).encode()

            results = [json.loads(result) for result in executor.abreast(trial, len(cohort))]
            timings.append(_timing(executor, results))
    return timings


def _timing(executor: ExecutorChoice, results: Sequence[Mapping[str, Any]]) -> Timing:
    """Workers that train at the same time share the time of the slowest among all their clients."""
    trainer: Serial | Batched = construct(Serial | Batched, results[0]["trainer"], "trainer")
    rounds = min(len(result["seconds"]) for result in results)
    clients = sum(result["clients"] for result in results)
    seconds = tuple(max(result["seconds"][number] for result in results) / clients for number in range(rounds))
    return Timing(trainer, executor, results[0]["method"], len(results), seconds)


def _rounds(shop: Workshop, setup: Setup, cohort: Sequence[int], hopeless: float) -> dict[str, object]:
    """Two rounds of the same clients from the initial model; the updates are dropped."""
    device = shop.learner.device
    some = _some(shop, cohort, SAMPLES[device.type])
    pupils = [shop.pupil(0, client, setup.model) for client in some]
    seconds: list[float] = []
    while len(seconds) < 2 and (not seconds or seconds[0] < hopeless * len(some)):
        began = time.perf_counter()
        for first in range(0, len(pupils), shop.trainer.together):
            shop.trainer.train(shop.learner, shop.solver, pupils[first : first + shop.trainer.together])
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - began)
    told = {"trainer": configured(_settled(shop)), "method": shop.trainer.method(shop.learner)}
    return {"seconds": seconds, "clients": len(some), **told}


def _settled(shop: Workshop) -> Serial | Batched:
    """The trainer, with what it has found out about this learner."""
    trainer, learner = shop.trainer, shop.learner
    if isinstance(trainer, Batched) and isinstance(learner, Networked):
        return trainer.settled(learner)
    assert isinstance(trainer, Serial | Batched), "only these are tried"
    return trainer


def _some(shop: Workshop, cohort: Sequence[int], samples: int) -> list[int]:
    """The first clients of the cohort, at least one, that are not too much work."""
    some: list[int] = []
    for client in cohort:
        samples -= shop.trainer.work(len(shop.parts[client]))
        if some and samples < 0:
            break
        some.append(client)
    return some
