"""Checks of self-supervised tasks and of what goes with them."""

from __future__ import annotations

from fedkd.configuration.settings import Settings
from fedkd.data import Folder
from fedkd.errors import ConfigurationError
from fedkd.models import Model, Projected
from fedkd.tasks import RelationExchange, ReSSL
from fedkd.trainers import Batched, Gradient


def check_self_supervised(settings: Settings) -> None:
    """Refuse what such a task cannot work with; other tasks pass.

    Raises:
        ConfigurationError: value, bound and fix in one line.
    """
    if isinstance(settings.task, ReSSL):
        _projected(settings.model, "model")
        _relations(settings, settings.task, "task")
    if isinstance(settings.task, RelationExchange):
        for name, model in settings.task.students.items():
            _projected(model, f"task.students.{name}")
        _relations(settings, settings.task.local, "task.local")
        _exchanging(settings, settings.task)


def _projected(model: Model | None, path: str) -> None:
    """Embeddings come from a projector; there is a trunk to be judged before it."""
    if model is not None and not isinstance(model, Projected):
        name = type(model).__name__
        raise ConfigurationError(f"{path}: {name} has no projector, which is trained; choose one as model=projected is")


def _relations(settings: Settings, task: ReSSL, path: str) -> None:
    """Views are of images, and a batch's keys go into the queue without driving one another out."""
    _judged(settings)
    outline, size = settings.data.outline(), getattr(settings.trainer, "batch_size", 0)
    if outline is not None:
        task.views.check(outline.shape)
    if task.queue != "anchors" and not 2 <= size <= task.queue_size:
        raise ConfigurationError(
            f"trainer: batch_size={size} is outside [2, {task.queue_size}], what the queue holds; "
            f"choose 2 <= trainer.batch_size <= {path}.queue_size"
        )
    if task.queue == "anchors":
        _public(settings, f"{path}: queue='anchors'", 2)
    if task.mixes and isinstance(settings.solver, Gradient):
        raise ConfigurationError(
            "solver: Gradient leaves a network where it is, so there is nothing to mix; choose solver=sgd or mixing = 0"
        )


def _judged(settings: Settings) -> None:
    """The server needs labelled samples for the probes: the clients', where it has them, or public ones."""
    data = settings.data
    if isinstance(data, Folder) and not (data.complete() or data.has_public()):
        raise ConfigurationError(
            f"data: {data.path} has neither the clients' samples nor public ones, by which encoders are judged; "
            "copy public.npz of the divided set there"
        )


def _public(settings: Settings, what: str, least: int) -> None:
    """There are as many public samples as something needs; how many a file has is known when it is read."""
    data = settings.data
    if isinstance(data, Folder):
        if not data.has_public():
            raise ConfigurationError(
                f"{what} needs {least} public samples, {data.path} has none; copy public.npz of the divided set there"
            )
    elif (public := getattr(data, "public", least)) < least:
        raise ConfigurationError(
            f"{what} needs {least} public samples, data.public={public}; choose data.public >= {least}"
        )


def _exchanging(settings: Settings, task: RelationExchange) -> None:
    """Networks of several architectures stay with their clients, and learn there, one after another."""
    _public(settings, f"task: anchors={task.anchors}", task.anchors)
    if settings.model is not None:
        name = type(settings.model).__name__
        raise ConfigurationError(f"model: {name}, but clients have task.students; choose model=none")
    if isinstance(settings.trainer, Batched):
        raise ConfigurationError(
            "trainer: Batched trains one architecture, but task RelationExchange has task.students; "
            "choose trainer=serial"
        )
    if isinstance(settings.solver, Gradient):
        raise ConfigurationError(
            "solver: Gradient leaves a network where it is, but clients of RelationExchange train their own; "
            "choose solver=sgd"
        )
