"""A run as it lies on disk: its manifest and its rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedkd.records.jsonl import read_reports
from fedkd.records.manifest import MANIFEST, read_manifest
from fedkd.records.report import RoundReport
from fedkd.records.summary import Summary, summarise


@dataclass(frozen=True)
class History:
    """What a run has left behind so far.

    Args:
        folder: of the run.
        manifest: content of manifest.json.
        reports: the rounds, in their order.
    """

    folder: Path
    manifest: dict[str, Any]
    reports: Sequence[RoundReport]

    @staticmethod
    def read(folder: Path) -> History:
        """Read a run's folder.

        Raises:
            ConfigurationError: it holds no run, or its metrics are damaged.
        """
        return History(folder, read_manifest(folder), read_reports(folder))

    @property
    def name(self) -> str:
        """The run's name."""
        return str(self.manifest["name"])

    def summary(self) -> Summary:
        """The whole run in a few numbers."""
        return summarise(self.name, self.reports, int(self.manifest["uncompressed_bytes"]))


def histories(folder: Path) -> list[History]:
    """The run in ``folder``, then the runs in its subfolders that have rounds, in the order of their start.

    Raises:
        ConfigurationError: ``folder`` itself holds no run.
    """
    others = [History.read(path.parent) for path in sorted(folder.glob(f"*/{MANIFEST}"))]
    others.sort(key=lambda history: str(history.manifest["started"]))
    return [History.read(folder), *(history for history in others if history.reports)]
