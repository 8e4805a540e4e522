"""Checks across settings, from what is known before any data is loaded."""

from __future__ import annotations

from pathlib import Path

from fedkd.algorithms import Context, assemble
from fedkd.configuration.settings import Settings
from fedkd.errors import ConfigurationError
from fedkd.executors import Auto, Mpi, mpi
from fedkd.tasks import ConvexTask, Distillation


def check(settings: Settings) -> None:
    """Refuse what cannot work together.

    Raises:
        ConfigurationError: value, bound and fix in one line.
    """
    settings.data.check()
    _samples(settings)
    settings.participation.check(settings.clients)
    _teaching(settings)
    _links(settings)
    _ranks(settings)
    if settings.resume is not None and not (Path(settings.resume) / "manifest.json").is_file():
        raise ConfigurationError(f"resume={settings.resume}: no manifest.json there; name the folder of a run")


def _samples(settings: Settings) -> None:
    available = settings.data.available()
    if available is not None and settings.clients > available:
        raise ConfigurationError(
            f"clients={settings.clients} exceeds the {available} training samples; choose clients <= {available}"
        )


def _ranks(settings: Settings) -> None:
    """Under mpirun the ranks are the workers; another executor would leave all but one idle."""
    if mpi.launched() and not isinstance(settings.executor, Auto | Mpi):
        name = type(settings.executor).__name__
        raise ConfigurationError(f"executor: {name} under mpirun leaves its ranks idle; choose executor=auto")


def _teaching(settings: Settings) -> None:
    distils = isinstance(settings.task, Distillation)
    if distils and settings.teacher is None:
        raise ConfigurationError("teacher: none, but task=distillation needs one; choose teacher=pretrained")
    if not distils and settings.teacher is not None:
        raise ConfigurationError("teacher: given, but this task learns from labels alone; choose teacher=none")
    if not isinstance(settings.task, ConvexTask) and settings.model is None:
        raise ConfigurationError("model: none, but this task trains a network; choose model=mlp")


def _links(settings: Settings) -> None:
    """The links at the model's dimension, where the data's outline is known without loading it."""
    outline = settings.data.outline()
    if outline is None:
        return
    if isinstance(settings.task, ConvexTask):
        dim = outline.shape[0]
    elif settings.model is not None:
        dim = settings.model.dim(outline.shape, outline.classes)
    probability = settings.participation.probability(settings.clients)
    context = Context(settings.seed, 0, dim, (1,) * settings.clients, probability)
    assemble(settings.algorithm, settings.uplink, settings.downlink, settings.server, context)
