"""The job file: a run that the launcher has composed and checked, for the ServerApp that is to execute it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class JobFile:
    """A job as plain values.

    Args:
        values: the resolved configuration, as the user chose it.
        folder: of the run.
        overrides: what the run was started with.
        relay: address of the socket where the launcher listens.
    """

    values: Mapping[str, object]
    folder: str
    overrides: Sequence[str]
    relay: str

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @staticmethod
    def read(path: Path) -> JobFile:
        """What ``write`` wrote."""
        return JobFile(**json.loads(path.read_text(encoding="utf-8")))
