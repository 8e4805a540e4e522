"""The command line: Hydra composes the configuration, everything is checked, then it runs.

| exit code | a command |
|---|---|
| 0 | is done |
| 1 | failed |
| 2 | has a wrong configuration; also folder=/proc/x, where no folder can ever be |
| 74 | could not write or read a file; a folder that is full or read-only is refused before any work |
| 130, 143 | was interrupted by Ctrl-C (SIGINT), by SIGTERM; a second signal ends it at once |
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import itertools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import strftime
from typing import TYPE_CHECKING, Any, NoReturn

from fedkd.compose import beside, compose, expand, launch, started
from fedkd.deferred import defer
from fedkd.durable import check_folder
from fedkd.errors import ConfigurationError, StorageError
from fedkd.signals import exit_code, heeded

if TYPE_CHECKING:
    from fedkd.configuration import Settings
    from fedkd.executors.mpi import World
    from fedkd.records import Console

FAILED, WRONG = 1, 2


def main() -> None:
    """Entry point of the command ``fedkd`` and of sims/run.py; under mpirun, of every rank."""
    # At the end nothing needs to be collected: a second less.
    atexit.register(gc.freeze)
    with heeded():
        try:
            guarded(_start)
        finally:
            _close_output()


def _start() -> None:
    defer("torch")
    from fedkd.executors import mpi

    if mpi.launched():
        mpi.run(_rank)
    _main()


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
    try:
        code = work()
    except ConfigurationError as error:
        _leave(WRONG, f"configuration: {error}")
    except StorageError as error:
        _leave(error.code, str(error))
    except RuntimeError as error:
        # Loaded here, not before the work: a command can be interrupted meanwhile.
        from fedkd.executors import ClientError

        if not isinstance(error, ClientError):
            raise
        _leave(FAILED, f"{error.trace}{error}")
    except KeyboardInterrupt as stop:
        _leave(exit_code(stop), "interrupted")
    if code:
        sys.exit(code)


def run(overrides: list[str]) -> int:
    """One run and those that it is compared with; the result is the exit code.

    Raises:
        ConfigurationError, StorageError: before anything is started.
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
        values = _compared(folder / name, overrides, changes)
        beside_it = _settings(values)
        outcome = execute(Job(beside_it, folder / name, values, [*overrides, *changes], beside_it.recorder))
    if outcome.code is None:
        # Whoever interrupts a run does not wait for figures, and a full disk has no room for them.
        if settings.compare:
            compare(folder, settings.recorder)
        _report(folder, settings.recorder)
    if outcome.reason != "finished":
        _say(f"{outcome.trace}{outcome.message}")
    return outcome.code or (0 if outcome.reason == "finished" else FAILED)


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
    folder = _folder(settings)
    for name, changes in settings.compare.items():
        try:
            _settings(_compared(folder / name, started(overrides), changes))
        except ConfigurationError as error:
            raise ConfigurationError(f"compare.{name}: {error}") from None
    check_folder(folder)
    return settings.name if settings.resume is None else None


def _compared(folder: Path, overrides: Sequence[str], changes: Sequence[str]) -> dict[str, Any]:
    """The resolved values of a run of a comparison, which goes on where it has begun."""
    resume = str(folder) if (folder / "manifest.json").exists() else None
    return {**beside(overrides, changes), "resume": resume}


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
    _say(message)
    sys.exit(code)


def _say(message: str) -> None:
    """On the error stream, if it takes anything: its file may be on the disk that is full."""
    with contextlib.suppress(OSError):
        sys.stderr.write(message + "\n")


def _close_output() -> None:
    """Drop what the standard output cannot take: Python would try again at its end, and change the exit code."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
