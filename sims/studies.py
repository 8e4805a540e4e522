"""Studies: many configured runs in one folder, each run once, continued where it was stopped, read where it is done."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedkd.changes import WHERE
from fedkd.configuration import Settings, check
from fedkd.configuration.learned import FACT, thetas
from fedkd.errors import ConfigurationError, StorageError
from fedkd.executors import ClientError
from fedkd.job import Job, execute
from fedkd.records import Console, History, read_manifest
from fedkd.records.manifest import MANIFEST
from fedkd.records.summary import LAST, curve


class RunFailedError(ClientError):
    """A run of a study ended before its last round: its training diverged, or something broke.

    Args:
        history: what it left behind.
    """

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history


@dataclass(frozen=True)
class Study:
    """A folder of runs, one subfolder each.

    Args:
        folder: made where it is missing.
        console: told which run begins; the runs themselves keep quiet.
    """

    folder: Path
    console: Console

    def run(self, name: str, values: Mapping[str, Any]) -> History:
        """The finished run of this name: from its folder, or executed now.

        Args:
            name: of the run's folder; it may contain slashes.
            values: the resolved configuration (``fedkd.compose.compose``).

        Raises:
            ConfigurationError: the folder holds a run of another configuration, or the configuration is wrong.
            RunFailedError: the run failed, now or before: it would fail again.
            KeyboardInterrupt: it was interrupted; the next call goes on.
            StorageError: the disk is full, or read-only; the next call goes on.
        """
        folder = self.folder / name
        begun = (folder / MANIFEST).is_file()
        kept = read_manifest(folder) if begun else None
        if kept is not None:
            self._require_same(folder, kept["configuration"], values)
            self._require_same_thetas(folder, kept["facts"], values)
            if kept["reason"] == "finished" or (kept["reason"] == "failed" and kept["code"] != StorageError.code):
                return self._ended(folder)
        self.console.announce(f"{name}: {'goes on' if begun else 'begins'}")
        settings = Settings.of({**values, "resume": str(folder) if begun else None})
        check(settings)
        outcome = execute(Job(settings, folder, values, [], Console("never", quiet=True)))
        if outcome.reason == "interrupted":
            raise KeyboardInterrupt
        if outcome.code == StorageError.code:
            raise StorageError(outcome.message)
        return self._ended(folder)

    @staticmethod
    def _ended(folder: Path) -> History:
        history = History.read(folder)
        if history.manifest["reason"] != "finished":
            raise RunFailedError(f"{folder}: {history.manifest['message']}", history)
        return history

    @staticmethod
    def _require_same_thetas(folder: Path, kept: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """What was learned goes by a name, under which another theta may be by now."""
        if FACT in kept and kept[FACT] != thetas(Settings.of(values)):
            raise ConfigurationError(f"{folder}: holds a run with another theta; delete it or choose another --output")

    @staticmethod
    def _require_same(folder: Path, kept: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """The configuration of a run that is continued, but for where it runs, is the one that it began with."""
        now = json.loads(json.dumps(values))
        differing = [key for key in sorted({*kept, *now} - {*WHERE, "resume"}) if kept.get(key) != now.get(key)]
        if differing:
            raise ConfigurationError(
                f"{folder}: holds a run with another {', '.join(differing)}; delete it or choose another --output"
            )


def read_seeds(text: str) -> list[int]:
    """Read 0,1,2 from a command line.

    Raises:
        ConfigurationError: it is something else.
    """
    try:
        return [int(item) for item in text.split(",")]
    except ValueError:
        raise ConfigurationError(f"--seeds {text}: is no list of whole numbers; write 0,1,2") from None


def last(runs: Sequence[History], metric: str) -> list[float]:
    """The mean of a metric's last evaluations, one a run."""
    return [float(statistics.fmean(value for _, value in curve(run.reports, metric)[-LAST:])) for run in runs]
