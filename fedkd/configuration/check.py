"""Checks across settings, from what is known before any data is loaded."""

from __future__ import annotations

from pathlib import Path

from fedkd.algorithms import Context, assemble
from fedkd.clients import Evict
from fedkd.clocks import Quantile, SkiRental
from fedkd.configuration.learned import check_thetas
from fedkd.configuration.self_supervised import check_self_supervised
from fedkd.configuration.settings import Settings
from fedkd.data import Folder, NaturalId, Outline
from fedkd.errors import ConfigurationError
from fedkd.executors import Auto, Mpi, mpi
from fedkd.executors.schedule import STICKY
from fedkd.initialisation import check_file
from fedkd.models import Model
from fedkd.tasks import ConvexTask, CoTrained, Foreign, ForeignData, Local, Pretrained, RelationExchange, Task
from fedkd.trainers import Batched, ForeignTrainer

_MOST = 2**31
"""Parameters of a network, at most."""


def check(settings: Settings) -> None:
    """Refuse what cannot work together.

    Raises:
        ConfigurationError: value, bound and fix in one line.
    """
    settings.data.check()
    _samples(settings)
    _divided(settings)
    settings.participation.check(settings.clients)
    settings.latency.check()
    _teaching(settings)
    _foreign(settings)
    check_self_supervised(settings)
    _batched(settings)
    _links(settings)
    _clipped(settings)
    _late(settings)
    _ranks(settings)
    _placed(settings)
    if settings.init is not None and settings.resume is None:
        check_file(settings.init)
    if settings.resume is not None and not (Path(settings.resume) / "manifest.json").is_file():
        raise ConfigurationError(f"resume={settings.resume}: no manifest.json there; name the folder of a run")
    check_thetas(settings)


def _samples(settings: Settings) -> None:
    available = settings.data.available()
    if available is not None and settings.clients > available:
        raise ConfigurationError(
            f"clients={settings.clients} exceeds the {available} training samples; choose clients <= {available}"
        )
    if available is not None:
        settings.partitioner.check(available, settings.clients)


def _divided(settings: Settings) -> None:
    """Data that lies divided stays so, and clients whose samples are elsewhere train elsewhere."""
    if not isinstance(settings.data, Folder):
        return
    if not isinstance(settings.partitioner, NaturalId):
        name = type(settings.partitioner).__name__
        raise ConfigurationError(f"partitioner: {name}, but data=folder is divided; choose partitioner=natural_id")
    if settings.data.complete():
        return
    if not settings.executor.volatile:
        name, path = type(settings.executor).__name__, settings.data.path
        raise ConfigurationError(
            f"executor: {name} trains every client here, but {path} lacks their samples; choose executor=flower"
        )
    if settings.teacher is not None and settings.teacher.learns == "before":
        name = type(settings.teacher).__name__
        raise ConfigurationError(
            f"teacher: {name} answers for all training samples on the server, but they are on their nodes; "
            "choose teacher=local"
        )


def _ranks(settings: Settings) -> None:
    """Under mpirun the ranks are the workers; another executor would leave all but one idle."""
    if mpi.launched() and not isinstance(settings.executor, Auto | Mpi):
        name = type(settings.executor).__name__
        raise ConfigurationError(f"executor: {name} under mpirun leaves its ranks idle; choose executor=auto")


def _placed(settings: Settings) -> None:
    """Clients that are on their own keep their states themselves."""
    if not settings.executor.volatile:
        return
    name = type(settings.executor).__name__
    if settings.schedule != STICKY:
        raise ConfigurationError(
            f"schedule: placement={settings.schedule.placement}, but with {name} clients stay on their nodes; "
            "choose placement = sticky"
        )
    if not isinstance(settings.residency, Evict):
        kind = type(settings.residency).__name__
        raise ConfigurationError(f"residency: {kind}, but with {name} nodes keep states; choose residency=evict")


def _teaching(settings: Settings) -> None:
    taught = isinstance(settings.task, Task) and settings.task.taught
    if taught and settings.teacher is None:
        task = type(settings.task).__name__
        raise ConfigurationError(f"teacher: none, but task {task} needs one; choose teacher=pretrained")
    if not taught and settings.teacher is not None:
        raise ConfigurationError("teacher: given, but this task takes none; choose teacher=none")
    if not isinstance(settings.task, ConvexTask | Foreign | RelationExchange) and settings.model is None:
        raise ConfigurationError("model: none, but this task trains a network; choose model=mlp")


def _foreign(settings: Settings) -> None:
    """A foreign task, its data and its trainer go together."""
    foreign = isinstance(settings.task, Foreign)
    parts = (("data", settings.data, ForeignData, "auto"), ("trainer", settings.trainer, ForeignTrainer, "serial"))
    for name, value, kind, other in parts:
        if isinstance(value, kind) != foreign:
            fit = "foreign" if foreign else other
            task = type(settings.task).__name__
            raise ConfigurationError(f"{name}: {type(value).__name__} does not fit task {task}; choose {name}={fit}")


def _batched(settings: Settings) -> None:
    """Only networks are trained many at a time, and only alone."""
    if isinstance(settings.trainer, Batched) and isinstance(settings.teacher, CoTrained):
        raise ConfigurationError(
            "trainer: Batched trains students alone, but teacher=co_trained learns with them; choose trainer=serial"
        )
    if isinstance(settings.trainer, Batched) and isinstance(settings.task, ConvexTask):
        task = type(settings.task).__name__
        raise ConfigurationError(
            f"trainer: Batched trains networks, but {task} has closed forms; choose trainer=serial"
        )


def _links(settings: Settings) -> None:
    """The links at the model's dimension, where the data's outline is known without loading it."""
    outline = settings.data.outline()
    if outline is None:
        return
    if isinstance(settings.teacher, Pretrained | Local | CoTrained):
        _dim("teacher.model", settings.teacher.model, outline)
    if isinstance(settings.task, ConvexTask):
        dim = outline.shape[0]
    elif isinstance(settings.task, RelationExchange):
        for name, model in settings.task.students.items():
            _dim(f"task.students.{name}", model, outline)
        dim = settings.task.dim
    elif settings.model is not None:
        dim = _dim("model", settings.model, outline)
    probability = settings.participation.probability(settings.clients)
    context = Context(settings.seed, 0, dim, (1,) * settings.clients, probability)
    assemble(settings.algorithm, settings.uplink, settings.downlink, settings.server, context)


def _clipped(settings: Settings) -> None:
    """Only what is averaged is clipped, not what memories move by: so the server must have each client's."""
    averaged = settings.algorithm.estimator == "PP2" and settings.uplink.remembers
    if settings.admission.policy == "clip" and averaged:
        raise ConfigurationError(
            "admission: policy=clip needs the memory of each client, algorithm keeps their mean; "
            "choose policy = drop or algorithm.estimator = PP1"
        )


def _late(settings: Settings) -> None:
    """A deadline that is made to leave clients behind needs an admission that goes on with those who are in time."""
    deadline, quorum = settings.deadline, settings.admission.quorum
    if not isinstance(deadline, Quantile | SkiRental) or deadline.waits:
        return
    if settings.admission.policy == "fail":
        raise ConfigurationError(
            f"deadline: {type(deadline).__name__} leaves clients behind, but admission=fail ends the run at the first; "
            "choose admission=drop"
        )
    name, share = ("q", deadline.q) if isinstance(deadline, Quantile) else ("least", deadline.least)
    if share < quorum:
        raise ConfigurationError(
            f"deadline: {name}={share:g} is below admission.quorum={quorum:g}, without which a round fails; "
            f"choose deadline.{name} >= {quorum:g}"
        )


def _dim(path: str, model: Model, outline: Outline) -> int:
    """The parameters of a network; refuses one that no machine trains."""
    dim = model.dim(outline.shape, outline.classes)
    if dim > _MOST:
        raise ConfigurationError(f"{path}: {model} has {dim} parameters, more than {_MOST}; choose a smaller network")
    return dim
