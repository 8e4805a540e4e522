"""Which learner a task needs, with its first values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.tasks import ConvexTask, CoTrained, Foreign, RelationExchange, ReSSL, Task, client_weights
from fedkd.tasks.co_trained_learner import CoTrainedLearner
from fedkd.tasks.convex_learner import ConvexLearner, objective
from fedkd.tasks.foreign_learner import ForeignLearner
from fedkd.tasks.learner import NetworkLearner, Resident
from fedkd.tasks.relation_exchange.learner import ExchangeLearner
from fedkd.tasks.relation_exchange.quality import Quality
from fedkd.tasks.ressl.learner import RelationalLearner

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from fedkd.beside import Beside
    from fedkd.configuration.settings import Settings
    from fedkd.data import Dataset, Split


def make_learner(settings: Settings, data: Dataset, parts: list[np.ndarray]) -> Resident:
    """The learner of a run.

    Raises:
        ConfigurationError: the data cannot serve the task.
    """
    task = settings.task
    if isinstance(task, ConvexTask):
        return ConvexLearner(task, objective(task, data.train, client_weights(parts, len(data.train))))
    if isinstance(task, Foreign):
        first, samples = key(settings.seed, "model"), key(settings.seed, "data")
        return ForeignLearner.of(task, settings.clients, first, samples)
    if isinstance(task, RelationExchange):
        return _exchange(settings, data, task)
    module = _network(settings, data)
    if isinstance(task, ReSSL):
        return _relational(settings, data, task, module)
    assert isinstance(task, Task), "there is no other kind"
    student = NetworkLearner(module, task, beside_of(settings, data, _dim(settings, data)))
    if not isinstance(settings.teacher, CoTrained):
        return student
    teacher = settings.teacher.model.build(data.train.shape, data.classes, key(settings.seed, "teacher"))
    return CoTrainedLearner(student, NetworkLearner(teacher, task))


def beside_of(settings: Settings, data: Dataset, dim: int) -> Beside | None:
    """What travels beside the model."""
    return None if settings.teacher is None else settings.teacher.beside(dim, data.classes)


def _exchange(settings: Settings, data: Dataset, task: RelationExchange) -> ExchangeLearner:
    """A learner of every architecture; clients' own first values come later."""
    _require_classes(data)
    shape, first, stream = data.train.shape, key(settings.seed, "model"), key(settings.seed, "probe")
    students = [
        _relational(settings, data, task.local, model.build(shape, data.classes, first)) for model in task.models
    ]
    reference = _reference(settings, data)
    rows = task.probes.chosen(reference.y.cpu().numpy(), stream)
    return ExchangeLearner(task, students, data.public, Quality(task.probes, reference.take(rows), data.test, stream))


def _relational(settings: Settings, data: Dataset, task: ReSSL, module: nn.Module) -> RelationalLearner:
    task.views.check(data.train.shape)
    reference, stream = _reference(settings, data), key(settings.seed, "probe")
    if len(reference):
        reference = reference.take(task.probes.chosen(reference.y.numpy(), stream))
    return RelationalLearner(module, task, reference, data.public.x, stream)


def _reference(settings: Settings, data: Dataset) -> Split:
    """Labelled samples by which encoders are judged."""
    return data.train if settings.data.complete() else data.public


def _network(settings: Settings, data: Dataset) -> nn.Module:
    """The run's network, for data that it can be trained and judged on."""
    if settings.model is None:
        raise ConfigurationError("model: null, but this task trains a network; choose model=mlp")
    _require_classes(data)
    return settings.model.build(data.train.shape, data.classes, key(settings.seed, "model"))


def _require_classes(data: Dataset) -> None:
    """Classes to be judged by, and samples to be judged on."""
    if data.classes < 2 or data.train.y.is_floating_point():
        raise ConfigurationError(
            f"data={data.name} has real targets, not classes; choose task=logistic or least_squares"
        )
    if not len(data.test):
        raise ConfigurationError(f"data={data.name} has 0 test samples, needs 1; set data.test_fraction")


def _dim(settings: Settings, data: Dataset) -> int:
    assert settings.model is not None, "there is a network"
    return settings.model.dim(data.train.shape, data.classes)
