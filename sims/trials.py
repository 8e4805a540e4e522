"""Trials: many federated runs on the same data and the same fitted teacher, each in a few numbers.

A ground is one seed's data, partition and teacher, made once; a trial trains a student on it from the start.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fedkd.beside import Beside
from fedkd.build import Setup, build
from fedkd.clients import Memory
from fedkd.compose import compose
from fedkd.configuration import Settings, check
from fedkd.data import Dataset, HeldOut, Outline, Source, Split
from fedkd.errors import ConfigurationError
from fedkd.executors import Local
from fedkd.federation import run
from fedkd.keys import key
from fedkd.records import RoundReport
from fedkd.tasks import (
    ClassLogits,
    Distillation,
    FittedTeacher,
    GlobalModel,
    Lesson,
    PastModels,
    Supervised,
    Task,
    Teacher,
)

if TYPE_CHECKING:
    import numpy as np

    from fedkd_compression.keys import Key

LAST = 3
"""Rounds over which the accuracy is averaged: one round alone is noisy."""


@dataclass(frozen=True)
class Loaded(Source):
    """A data set that is in memory already."""

    dataset: Dataset

    def load(self, key: Key) -> Dataset:
        """The data set itself."""
        return self.dataset

    def available(self) -> int:
        """Training samples."""
        return len(self.dataset.train)

    def outline(self) -> Outline:
        """Shape and classes of the data set."""
        return Outline(self.dataset.train.shape, self.dataset.classes)


@dataclass(frozen=True)
class Ready(Teacher):
    """A teacher that is fitted already.

    Args:
        teacher: of which it was made.
    """

    fitted: FittedTeacher
    teacher: Teacher

    learns = "never"

    def fit(self, data: Dataset, parts: Sequence[np.ndarray], key: Key, lesson: Lesson | None = None) -> FittedTeacher:
        """The fitted teacher itself."""
        return self.fitted

    def beside(self, dim: int, classes: int) -> Beside | None:
        """The teacher's."""
        return self.teacher.beside(dim, classes)


@dataclass(frozen=True)
class Ground:
    """What the trials of one seed and one teacher share.

    Args:
        settings: the configuration, with data and teacher in memory; its test split is held out of the public samples.
        test: the test split, for what has been chosen.
        task: the distillation task that the trials vary.
    """

    settings: Settings
    test: Split
    task: Distillation

    def revealed(self) -> Ground:
        """The same, where a trial is measured on the test split."""
        data = self.settings.data.load(key(self.settings.seed, "data"))
        return replace(self, settings=replace(self.settings, data=Loaded(replace(data, test=self.test))))


@dataclass(frozen=True)
class Trial:
    """One run in a few numbers.

    Args:
        accuracy: of the server's model, mean of the last three rounds, in [0, 1].
        loss: its cross-entropy in nats, likewise.
        diagnostics: what the clients reported in the last round.
    """

    accuracy: float
    loss: float
    bytes_up: int
    bytes_down: int
    seconds: float
    diagnostics: dict[str, float]


def ground(overrides: Sequence[str], held_out: int) -> Ground:
    """Compose a configuration, load its data, hold samples out, and fit its teacher.

    Args:
        overrides: of the configuration, as on the command line.
        held_out: public samples that take the test split's place, >= 1.

    Raises:
        ConfigurationError: the configuration is wrong or does not distil.
    """
    settings = Settings.of(compose([*overrides, "compare={}"]))
    check(settings)
    if not isinstance(settings.task, Distillation) or settings.teacher is None:
        task = type(settings.task).__name__
        raise ConfigurationError(f"task={task}: has no temperatures to search; choose task=distillation")
    stream = key(settings.seed, "data")
    data = settings.data.load(stream)
    held = HeldOut(Loaded(data), held_out).load(stream)
    parts = settings.partitioner.partition(
        held.train.y.numpy(), settings.clients, key(settings.seed, "partition"), held.owner
    )
    fitted = settings.teacher.fit(held, parts, key(settings.seed, "teacher"))
    teacher = settings.teacher if fitted is None else Ready(fitted, settings.teacher)
    return Ground(replace(settings, data=Loaded(held), teacher=teacher), data.test, settings.task)


Judge = Callable[[int, float], None]
"""Told a round and the accuracy after it; what it raises ends the trial."""


def trial(ground: Ground, task: Task, judge: Judge | None = None) -> Trial:
    """Train a student from the start on this task; a task without a teacher gets none."""
    settings = replace(ground.settings, task=task, teacher=ground.settings.teacher if task.taught else None)
    # Evaluated here, and only where it counts.
    here = replace(settings, evaluate_every=settings.rounds, executor=Local(), store=Memory())
    setup = build(here, lambda _: None)
    began, reports = time.perf_counter(), []
    models: deque[torch.Tensor] = deque(maxlen=LAST)
    for state, report in run(setup.open(Path(), {}), setup.algorithm.start(setup.model), settings.rounds):
        reports.append(report)
        models.append(state.model)
        if judge is not None:
            judge(report.round, setup.learner.evaluate(state.model, setup.data.test)["accuracy"])
    return _measure(setup, models, reports, time.perf_counter() - began)


def labels_only() -> Task:
    """The task that distillation is compared with: plain cross-entropy."""
    return Supervised(label_smoothing=0.0)


def teacher_quality(ground: Ground) -> dict[str, float]:
    """A frozen teacher on the clients' samples: its accuracy, and the mean probability of its answers.

    A teacher whose confidence exceeds its accuracy on samples that it was not trained on is over-confident. Local
    teachers were trained on these very samples. Empty for a teacher that is not frozen.
    """
    teacher = ground.settings.teacher
    if not isinstance(teacher, Ready) or isinstance(teacher.teacher, GlobalModel | PastModels | ClassLogits):
        return {}
    setup = build(ground.settings, lambda _: None)
    fitted = setup.teacher(setup.data)
    assert fitted is not None
    answers, labels = [], []
    for client, part in enumerate(setup.parts):
        answers.append(fitted.logits(client, torch.nn.Identity()))
        labels.append(setup.data.train.y[torch.as_tensor(part)])
    chance, answer = torch.cat(answers).softmax(-1).max(-1)
    correct = (answer == torch.cat(labels)).double()
    return {"accuracy": correct.mean().item(), "confidence": chance.double().mean().item()}


def _measure(setup: Setup, models: Sequence[torch.Tensor], reports: Sequence[RoundReport], seconds: float) -> Trial:
    learner = setup.learner
    measured = [learner.evaluate(model, setup.data.test) for model in models]
    mean = {name: sum(metrics[name] for metrics in measured) / len(measured) for name in ("accuracy", "loss")}
    return Trial(
        accuracy=mean["accuracy"],
        loss=mean["loss"],
        bytes_up=sum(report.bytes_up for report in reports),
        bytes_down=sum(report.bytes_down for report in reports),
        seconds=seconds,
        diagnostics=reports[-1].diagnostics,
    )
