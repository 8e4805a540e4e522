"""Checks of self-supervised tasks and of what goes with them."""

from __future__ import annotations

from fedkd.configuration.settings import Settings
from fedkd.data import Folder
from fedkd.errors import ConfigurationError
from fedkd.models import Projected
from fedkd.tasks import RelationExchange, ReSSL
from fedkd.trainers import Batched, Gradient


def check_self_supervised(settings: Settings) -> None:
    """Refuse what such a task cannot work with; other tasks pass.

    Raises:
        ConfigurationError: value, bound and fix in one line.
    """
    if isinstance(settings.task, ReSSL):
        _projected(settings)
        _relations(settings, settings.task, "task")
    if isinstance(settings.task, RelationExchange):
        _relations(settings, settings.task.local, "task.local")
        _exchanging(settings)


def _projected(settings: Settings) -> None:
    """Embeddings come from a projector; there is a trunk to be judged before it."""
    if settings.model is not None and not isinstance(settings.model, Projected):
        name = type(settings.model).__name__
        raise ConfigurationError(f"model: {name} has no projector, which task ReSSL trains; choose model=projected")


def _relations(settings: Settings, task: ReSSL, path: str) -> None:
    """Views are of images, and a batch's keys go into the queue without driving one another out."""
    _judged(settings)
    outline, size = settings.data.outline(), getattr(settings.trainer, "batch_size", 0)
    public: int = getattr(settings.data, "public", 2)
    if outline is not None:
        task.views.check(outline.shape)
    if task.queue != "anchors" and not 2 <= size <= task.queue_size:
        raise ConfigurationError(
            f"trainer: batch_size={size} is outside [2, {task.queue_size}], what the queue holds; "
            f"choose 2 <= trainer.batch_size <= {path}.queue_size"
        )
    if task.queue == "anchors" and public < 2:
        raise ConfigurationError(
            f"{path}: queue='anchors' needs 2 public samples, data.public={public}; choose data.public >= 2"
        )
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


def _exchanging(settings: Settings) -> None:
    """Networks of several architectures stay with their clients, and learn there, one after another."""
    if not isinstance(settings.task, RelationExchange):
        return
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
