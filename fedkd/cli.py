"""The command line: Hydra composes the configuration, everything is checked, then it runs.

Exit codes: 0 done, 1 failed, 2 wrong configuration, 130 interrupted.
"""

from __future__ import annotations

import atexit
import gc
import itertools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import strftime
from typing import TYPE_CHECKING, Any, NoReturn

from fedkd.compose import beside, compose, expand, launch, started
from fedkd.deferred import defer
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from fedkd.configuration import Settings
    from fedkd.executors.mpi import World
    from fedkd.records import Console

FAILED, WRONG, INTERRUPTED = 1, 2, 130


def main() -> None:
    """Entry point of the command ``fedkd`` and of sims/run.py; under mpirun, of every rank."""
    # At the end nothing needs to be collected: a second less.
    atexit.register(gc.freeze)
    defer("torch")
    from fedkd.executors import mpi

    if mpi.launched():
        mpi.run(_rank)
    guarded(_main)


def _rank(world: World) -> int | None:
    """Rank 0 reads the command line and serves; the others take what it sends."""
    from fedkd.attend import attend

    if world.rank > 0:
        return attend(world)
    guarded(_main)
    return None


def _main() -> None:
    names = [name for overrides in expand(sys.argv[1:]) if (name := _check_all(overrides)) is not None]
    if shared := [name for name in names if names.count(name) > 1]:
        raise ConfigurationError(f"name={shared[0]}: {len(shared)} runs of a sweep share it; choose name=null")
    launch(lambda overrides: guarded(lambda: run(overrides)))


def guarded(work: Callable[[], int | None]) -> None:
    """Do the work of a command; what a user can mend is one line, and every end has its exit code."""
    from fedkd.executors import ClientError

    try:
        code = work()
    except ConfigurationError as error:
        _leave(WRONG, f"configuration: {error}")
    except ClientError as error:
        _leave(FAILED, f"{error.trace}{error}")
    except KeyboardInterrupt:
        _leave(INTERRUPTED, "interrupted")
    if code:
        sys.exit(code)


def run(overrides: list[str]) -> int:
    """One run and those that it is compared with; the result is the exit code.

    Raises:
        ConfigurationError: before anything is started.
    """
    from fedkd.job import Job, execute
    from fedkd.records import compare

    values = compose(overrides)
    settings = _settings(values)
    folder, overrides = _folder(settings), started(overrides)
    outcome = execute(Job(settings, folder, values, overrides, settings.recorder))
    for name, changes in settings.compare.items():
        if outcome.reason != "finished":
            break
        resume = str(folder / name) if (folder / name / "manifest.json").exists() else None
        values = {**beside(overrides, changes), "resume": resume}
        beside_it = _settings(values)
        outcome = execute(Job(beside_it, folder / name, values, [*overrides, *changes], beside_it.recorder))
    if settings.compare:
        compare(folder, settings.recorder)
    _report(folder, settings.recorder)
    if outcome.reason != "finished":
        sys.stderr.write(f"{outcome.trace}{outcome.message}\n")
    return {"finished": 0, "interrupted": INTERRUPTED}.get(outcome.reason, FAILED)


def _report(folder: Path, console: Console) -> None:
    """Write the page; a missing drawing library is said, and no reason to fail a finished run."""
    from fedkd.records import write_report

    try:
        console.announce(f"report: {write_report(folder)}")
    except ConfigurationError as error:
        console.announce(f"no report: {error}")


def _check_all(overrides: list[str]) -> str | None:
    """Check a run and those that it is compared with, before anything is loaded; the result is its given name."""
    settings = _settings(compose(overrides))
    for name, changes in settings.compare.items():
        try:
            _settings(beside(started(overrides), changes))
        except ConfigurationError as error:
            raise ConfigurationError(f"compare.{name}: {error}") from None
    _folder(settings)
    return settings.name if settings.resume is None else None


def _settings(values: Mapping[str, Any]) -> Settings:
    from fedkd.configuration import Settings, check

    settings = Settings.of(values)
    check(settings)
    return settings


def _folder(settings: Settings) -> Path:
    """Where the run leaves its results; a finished run is never overwritten."""
    if settings.resume is not None:
        return Path(settings.resume)
    if settings.name is None:
        return _new_folder(settings)
    folder = Path(settings.folder) / settings.name
    if (folder / "manifest.json").exists():
        raise ConfigurationError(
            f"name={settings.name}: {folder} holds a run already; choose another name, or resume={folder}"
        )
    return folder


def _new_folder(settings: Settings) -> Path:
    """A name from algorithm, task, time and seed; numbered where a sweep starts two such runs in one second."""
    task = type(settings.task).__name__
    name = f"{settings.algorithm.name}-{task}-{strftime('%Y%m%d-%H%M%S')}-{settings.seed}".lower()
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(path for path in map(Path(settings.folder).joinpath, names) if not path.exists())


def _leave(code: int, message: str) -> NoReturn:
    """One line on the error stream, and the exit code."""
    sys.stderr.write(message + "\n")
    sys.exit(code)
