"""From checked settings to a run: what it is made of, its workers, its federation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd.algorithms import Algorithm, Carrying, Context, assemble
from fedkd.clocks import Clock
from fedkd.configuration.learned import FACT, thetas
from fedkd.configuration.settings import Settings
from fedkd.data import Dataset, label_counts
from fedkd.evaluation import Evaluation
from fedkd.executors import Site, StartingOrder, Worker
from fedkd.executors.workshop import Workshop
from fedkd.federation import Federation, silent
from fedkd.initialisation import Origin, take_up
from fedkd.keys import key
from fedkd.learners import beside_of, make_learner
from fedkd.tasks import CoTrained, FittedTeacher, Lesson, RelationExchange, SelfSupervised, Shelf
from fedkd.tasks.convex_learner import ConvexLearner
from fedkd.tasks.learner import NetworkLearner, Resident
from fedkd.tasks.relation_exchange.learner import ExchangeLearner
from fedkd.trainers import Fastest, Trainer
from fedkd.vectors import flatten

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Setup:
    """All that a run is made of, before it has workers.

    Args:
        algorithm: bound to this run.
        learner: a student of this process's own, which gives the initial model and names its parameters.
        lesson: what the teacher has learned, packed; empty when it learns nothing beforehand.
        origin: what the initial model was made from, where it was not drawn.
    """

    settings: Settings
    data: Dataset
    parts: list[np.ndarray]
    algorithm: Algorithm
    learner: Resident
    lesson: bytes
    origin: Origin | None

    @property
    def trainer(self) -> Trainer:
        """How workers train; what is to be found by trial has been found."""
        trainer = self.settings.trainer
        assert not isinstance(trainer, Fastest), "a trial comes before workers"
        return trainer

    @property
    def model(self) -> Tensor:
        """The initial model [d]."""
        return self.learner.vector

    @property
    def label_counts(self) -> list[list[int]]:
        """How many samples of each class every client holds."""
        counts: list[list[int]] = label_counts(self.data.train.y.numpy(), self.parts, self.data.classes).tolist()
        return counts

    @property
    def reduces(self) -> bool:
        """Whether workers add up their clients' updates: cohorts are large, and nobody can be late."""
        settings = self.settings
        expected = settings.participation.probability(settings.clients) * settings.clients
        known = not settings.executor.volatile and settings.deadline.waits
        return expected >= settings.reduce_from and known

    def open(self, folder: Path, values: Mapping[str, object]) -> Federation:
        """Start the workers.

        Args:
            folder: of the run.
            values: the resolved configuration, for workers that inherit nothing.

        Raises:
            ConfigurationError: they cannot be placed as asked.
        """
        settings = self.settings
        site = Site(
            make_worker=lambda device: self.worker(device, folder),
            rehearse=lambda: self.algorithm.rehearse(self.learner.vector),
            dim=self.learner.dim,
            work=[self.trainer.work(len(part)) for part in self.parts],
            cohort=settings.participation.most(settings.clients),
            together=self.trainer.together,
            shared_states=settings.store.shared,
            start=StartingOrder(folder, values, self.lesson),
            run=run_number(settings),
            beside=0 if self.algorithm.beside is None else self.algorithm.beside.up,
            quorum=settings.admission.quorum,
            schedule=settings.schedule,
        )
        evaluation = Evaluation(settings.task.metrics, settings.evaluate_every, settings.rounds)
        executor = settings.executor.start(site)
        return Federation(
            algorithm=self.algorithm,
            participation=settings.participation,
            executor=executor,
            evaluation=evaluation,
            seed=settings.seed,
            run=site.run,
            admission=settings.admission,
            samples=[len(part) for part in self.parts],
            work=site.work,
            clock=Clock(settings.latency, settings.deadline),
            volatile=settings.executor.volatile,
            alarm=settings.task.alarm if isinstance(settings.task, SelfSupervised) else silent,
        )

    def worker(self, device: str, folder: Path) -> Worker:
        """A worker on a device, with its own student, its own end of the downlink and its own hold on the store."""
        workshop, uplink = self.workshop(device, folder), self.algorithm.uplink
        learner = workshop.learner
        keep = self.settings.checkpoint_keep
        store = self.settings.store.open(folder, learner.dim, learner.dtype, learner.keeps, keep)
        resident = self.settings.residency.around(store)
        return Worker(workshop, self.algorithm.receiver(), resident, uplink if self.reduces else None)

    def workshop(self, device: str, folder: Path) -> Workshop:
        """All that training a client needs, on a device; what clients' teachers learn is kept in the folder."""
        settings = self.settings
        torch.set_num_threads(settings.threads)
        learner = self.learner.on(device)
        data = self.data.on(str(learner.device))
        return Workshop(
            learner=learner,
            trainer=self.trainer,
            solver=settings.solver,
            train=data.train,
            test=data.test,
            parts=self.parts,
            logits=_logits(self._shelved(data, folder), learner),
            uplink=self.algorithm.uplink.link,
            seed=settings.seed,
            run=run_number(settings),
            fresh=self._fresh(),
            beside=self.algorithm.beside,
            numbers=len(settings.task.metrics),
            gate=settings.admission.gate,
            tolerant=settings.admission.tolerant,
        )

    def _fresh(self) -> Callable[[int], Tensor] | None:
        """A client's own first network, where it has one beside the run's model: a teacher, or all that it trains."""
        teacher, train, classes = self.settings.teacher, self.data.train, self.data.classes
        if isinstance(self.learner, ExchangeLearner):
            return partial(self.learner.first, classes=classes, key=key(self.settings.seed, "model"))
        if not isinstance(teacher, CoTrained):
            return None
        stream = key(self.settings.seed, "teacher")
        return lambda client: flatten(teacher.model.build(train.shape, classes, stream.fold("client", client)))

    def teacher(self, data: Dataset) -> FittedTeacher | None:
        """The teacher, ready to answer for samples on their device."""
        settings = self.settings
        if settings.teacher is None:
            return None
        lesson = Lesson.unpack(self.lesson) if self.lesson else None
        return settings.teacher.fit(data, self.parts, key(settings.seed, "teacher"), lesson)

    def _shelved(self, data: Dataset, folder: Path) -> FittedTeacher | None:
        """The teacher; what it learns with clients, the workers of the run share."""
        teacher, choice = self.teacher(data), self.settings.teacher
        if teacher is None or choice is None or choice.learns != "with clients":
            return teacher
        return Shelf(teacher, folder / "teachers", self.parts, data.classes)

    def facts(self) -> dict[str, object]:
        """What the manifest says beside the configuration."""
        partition = hashlib.sha256(json.dumps([part.tolist() for part in self.parts]).encode()).hexdigest()
        teacher = self.teacher(self.data)
        facts: dict[str, object] = {
            "init": {} if self.origin is None else self.origin.facts(),
            "data": self.data.name,
            "data_sha256": self.data.sha256(),
            "partition_sha256": partition,
            "samples": [len(part) for part in self.parts],
            "uplink": repr(self.algorithm.uplink.link),
            "downlink": repr(self.algorithm.downlink.link),
            "trainer": self.trainer.method(self.learner),
            "teacher": {} if teacher is None else teacher.summary(),
            FACT: thetas(self.settings),
        }
        if isinstance(self.learner, ConvexLearner):
            common = self.learner.common
            facts |= {"smoothness": common.smoothness, "optimal_loss": common.optimum.loss}
        return facts


def build(settings: Settings, announce: Callable[[str], None], lesson: bytes | None = None) -> Setup:
    """Load the data, let the teacher learn, and put the run together.

    Args:
        settings: already checked (``fedkd.configuration.check``).
        announce: told in a few words what is being done.
        lesson: what the teacher has learned elsewhere, where the initial model is, too; None lets it learn here.

    Raises:
        ConfigurationError: something that only the data could tell.
    """
    torch.set_num_threads(1)
    announce("loading data")
    data = settings.data.load(key(settings.seed, "data"))
    stream = key(settings.seed, "partition")
    parts = settings.partitioner.partition(data.train.y.numpy(), settings.clients, stream, data.owner)
    learner = make_learner(settings, data, parts)
    starts = settings.init if lesson is None else None
    origin = None if starts is None else take_up(starts, learner, announce)
    algorithm = _algorithm(settings, data, parts, learner)
    if lesson is None:
        lesson = _lesson(settings, data, announce)
    return Setup(settings, data, parts, algorithm, learner, lesson, origin)


def _algorithm(settings: Settings, data: Dataset, parts: list[np.ndarray], learner: Resident) -> Algorithm:
    samples = tuple(len(part) for part in parts)
    probability = settings.participation.probability(settings.clients)
    volatile = settings.executor.volatile
    number, dtype = run_number(settings), learner.dtype
    context = Context(settings.seed, number, learner.dim, samples, probability, volatile, dtype)
    uplink, downlink = settings.uplink.shaped(learner.tensors), settings.downlink.shaped(learner.tensors)
    beside = beside_of(settings, data, learner.dim)
    carried = learner.carried.buffer.shape[-1]
    server = settings.server.shaped(learner.tensors[: len(learner.flat.shapes)], _unit(settings, samples))
    rule = Carrying(server, carried) if carried else server
    return assemble(settings.algorithm, uplink, downlink, rule, context, beside)


def _unit(settings: Settings, samples: Sequence[int]) -> float:
    """About how many gradients the mean update is; tables of relations are none."""
    if isinstance(settings.task, RelationExchange):
        return 1.0
    return settings.solver.unit(sum(map(settings.trainer.steps, samples)) / len(samples))


def _lesson(settings: Settings, data: Dataset, announce: Callable[[str], None]) -> bytes:
    """What the teacher must learn before it can answer, learned where the executor wants it."""
    teacher = settings.teacher
    if teacher is None:
        return b""
    announce("preparing teachers")

    def learned() -> bytes:
        lesson = teacher.learn(data, key(settings.seed, "teacher"))
        return b"" if lesson is None else lesson.pack()

    return settings.executor.aside(learned) if teacher.learns == "before" else b""


def run_number(settings: Settings) -> int:
    """32 bits that tell this run's messages from another's: of the seed, the algorithm and the links."""
    text = repr((settings.seed, settings.algorithm, settings.uplink, settings.downlink))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def _logits(teacher: FittedTeacher | None, learner: Resident) -> Callable[[int, Tensor | None], Tensor] | None:
    """A teacher's answers for a client, who has just loaded the received model, and what came beside it."""
    if teacher is None or not isinstance(learner, NetworkLearner):
        return None

    def answers(client: int, told: Tensor | None) -> Tensor:
        informed = teacher if told is None else teacher.told(told)
        return informed.logits(client, learner.module)

    return answers
