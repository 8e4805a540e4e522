"""What a resumed run may change, as far as the state that it goes on with must fit."""

from __future__ import annotations

from fedkd.configuration.settings import Settings
from fedkd.errors import ConfigurationError
from fedkd.tasks import ConvexTask, Foreign, RelationExchange, ReSSL, SelfSupervised, Task

_STAYS = ("with clients", "beside")
"""When teachers learn whose learning is kept with the clients."""


def check_resumption(kept: Settings, settings: Settings) -> None:
    """Refuse changes that the kept state does not fit.

    Raises:
        ConfigurationError: key, reason and fix in one line.
    """
    if kept.task != settings.task and (_kind(kept) != _kind(settings) or isinstance(kept.task, Foreign)):
        names = (type(one.task).__name__ for one in (kept, settings))
        raise ConfigurationError(
            f"task: {' -> '.join(names)}: cannot change, the kept model is not the new task's; start a new run"
        )
    if isinstance(kept.task, RelationExchange) and isinstance(settings.task, RelationExchange):
        _same(kept.task, settings.task)
    if isinstance(kept.task, ReSSL) and isinstance(settings.task, ReSSL):
        _kept_alike(kept.task, settings.task, "task")
    teachers = (kept.teacher, settings.teacher)
    if kept.teacher != settings.teacher and any(each is not None and each.learns in _STAYS for each in teachers):
        names = ("none" if each is None else type(each).__name__ for each in teachers)
        raise ConfigurationError(
            f"teacher: {' -> '.join(names)}: cannot change, clients keep what it learns; start a new run"
        )
    if _many(kept) != _many(settings):
        names = (type(one.deadline).__name__ for one in (kept, settings))
        raise ConfigurationError(
            f"deadline: {' -> '.join(names)}: workers add updates where nobody can be late and rounds expect "
            f"reduce_from={kept.reduce_from} clients, and memories are elsewhere then; start a new run"
        )


def _same(kept: RelationExchange, task: RelationExchange) -> None:
    """Anchors are what the run's model tells of, students are what clients keep."""
    _kept_alike(kept.local, task.local, "task.local")
    if kept.anchors != task.anchors:
        raise ConfigurationError(
            f"task.anchors: {kept.anchors} -> {task.anchors}: cannot change, the kept model is of the former; "
            "start a new run"
        )
    if kept.students != task.students:
        differing = sorted(
            name for name in {*kept.students, *task.students} if kept.students.get(name) != task.students.get(name)
        )
        raise ConfigurationError(
            f"task.students: {', '.join(differing)}: cannot change, clients keep what they train; start a new run"
        )


def _kept_alike(kept: ReSSL, task: ReSSL, path: str) -> None:
    """What clients keep, and what travels, has the same parts."""
    for name in ("teacher", "queue", "queue_size", "mixes"):
        before, after = getattr(kept, name), getattr(task, name)
        if before != after:
            key = f"{path}.{'mixing' if name == 'mixes' else name}"
            raise ConfigurationError(
                f"{key}: {before} -> {after}: cannot change, clients keep what it says; start a new run"
            )


def _kind(settings: Settings) -> type:
    return next(kind for kind in (ConvexTask, Foreign, SelfSupervised, Task) if isinstance(settings.task, kind))


def _many(settings: Settings) -> bool:
    """Whether workers add up their clients' updates, so that clients' memories are with the clients alone."""
    expected = settings.participation.probability(settings.clients) * settings.clients
    return expected >= settings.reduce_from and settings.deadline.waits
