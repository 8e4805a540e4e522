"""From checked settings to a federation that can run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd.algorithms import Algorithm, Context, assemble
from fedkd.clients import ClientStore
from fedkd.configuration.settings import Settings
from fedkd.data import Dataset, label_counts
from fedkd.errors import ConfigurationError
from fedkd.evaluation import Evaluator
from fedkd.executors import Worker
from fedkd.executors.worker import Workshop
from fedkd.federation import Federation
from fedkd.keys import key
from fedkd.tasks import ConvexTask, FittedTeacher, client_weights
from fedkd.tasks.convex_learner import ConvexLearner, objective
from fedkd.tasks.learner import Learner, NetworkLearner

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Setup:
    """All that a run needs.

    Args:
        model: the initial model [d].
        facts: what the manifest says beside the configuration.
    """

    federation: Federation
    model: Tensor
    data: Dataset
    parts: list[np.ndarray]
    facts: dict[str, object]

    @property
    def label_counts(self) -> list[list[int]]:
        """How many samples of each class every client holds."""
        counts = label_counts(self.data.train.y.numpy(), self.parts, self.data.classes)
        return [[int(count) for count in row] for row in counts]


def build(settings: Settings, announce: Callable[[str], None]) -> Setup:
    """Load the data, fit the teacher, and put the federation together.

    Args:
        settings: already checked (``fedkd.configuration.check``).
        announce: told in a few words what is being done.

    Raises:
        ConfigurationError: something that only the data could tell.
    """
    torch.set_num_threads(settings.threads)
    announce("loading data")
    data = settings.data.load(key(settings.seed, "data"))
    stream = key(settings.seed, "partition")
    parts = settings.partitioner.partition(data.train.y.numpy(), settings.clients, stream, data.owner)
    learner = _learner(settings, data, parts)
    teacher = _teacher(settings, data, parts, announce)
    return _assemble(settings, data, parts, learner, teacher)


def _assemble(
    settings: Settings, data: Dataset, parts: list[np.ndarray], learner: Learner, teacher: FittedTeacher | None
) -> Setup:
    model = learner.vector.clone()
    samples = tuple(len(part) for part in parts)
    probability = settings.participation.probability(settings.clients)
    context = Context(settings.seed, run_number(settings), len(model), samples, probability)
    uplink, downlink = settings.uplink.shaped(learner.tensors), settings.downlink.shaped(learner.tensors)
    algorithm = assemble(settings.algorithm, uplink, downlink, settings.server, context)
    logits, resolved = _logits(teacher, learner), algorithm.uplink.link
    workshop = Workshop(
        learner, settings.trainer, settings.solver, data.train, parts, logits, resolved, settings.seed, context.run
    )
    evaluator = Evaluator(learner, data.test, settings.task.metrics, settings.evaluate_every, settings.rounds)
    executor = settings.executor.start(lambda: make_worker(algorithm, workshop))
    federation = Federation(
        algorithm, settings.participation, executor, evaluator, settings.seed, context.run, settings.clients
    )
    return Setup(federation, model, data, parts, _facts(data, parts, algorithm, teacher, learner))


def make_worker(algorithm: Algorithm, workshop: Workshop) -> Worker:
    """A worker with an empty client store and its own end of the downlink."""
    store = ClientStore()
    return Worker(workshop, algorithm.receiver(store), store)


def run_number(settings: Settings) -> int:
    """32 bits that tell this run's messages from another's: of the seed, the algorithm and the links."""
    text = repr((settings.seed, settings.algorithm, settings.uplink, settings.downlink))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def _learner(settings: Settings, data: Dataset, parts: list[np.ndarray]) -> Learner:
    if isinstance(settings.task, ConvexTask):
        weights = client_weights(parts, len(data.train))
        return ConvexLearner(settings.task, objective(settings.task, data.train, weights))
    if settings.model is None:
        raise ConfigurationError("model: null, but this task trains a network; choose model=mlp")
    if data.classes < 2 or data.train.y.is_floating_point():
        raise ConfigurationError(
            f"data={data.name} has real targets, not classes; choose task=logistic or least_squares"
        )
    if not len(data.test):
        raise ConfigurationError(f"data={data.name} has 0 test samples, needs 1; set data.test_fraction")
    module = settings.model.build(data.train.shape, data.classes, key(settings.seed, "model"))
    return NetworkLearner(module, settings.task)


def _logits(teacher: FittedTeacher | None, learner: Learner) -> Callable[[int], Tensor] | None:
    """A teacher's answers for a client, who has just loaded the received model."""
    if teacher is None or not isinstance(learner, NetworkLearner):
        return None
    return lambda client: teacher.logits(client, learner.module)


def _teacher(
    settings: Settings, data: Dataset, parts: list[np.ndarray], announce: Callable[[str], None]
) -> FittedTeacher | None:
    if settings.teacher is None:
        return None
    announce("preparing teachers")
    return settings.teacher.fit(data, parts, key(settings.seed, "teacher"))


def _facts(
    data: Dataset, parts: list[np.ndarray], algorithm: Algorithm, teacher: FittedTeacher | None, learner: Learner
) -> dict[str, object]:
    partition = hashlib.sha256(json.dumps([part.tolist() for part in parts]).encode()).hexdigest()
    facts: dict[str, object] = {
        "data": data.name,
        "data_sha256": data.sha256(),
        "partition_sha256": partition,
        "samples": [len(part) for part in parts],
        "uplink": repr(algorithm.uplink.link),
        "downlink": repr(algorithm.downlink.link),
        "teacher": {} if teacher is None else teacher.summary(),
    }
    if isinstance(learner, ConvexLearner):
        facts |= {"smoothness": learner.common.smoothness, "optimal_loss": learner.common.optimum.loss}
    return facts
