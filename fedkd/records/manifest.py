"""manifest.json: what ran, on what, and how it ended; config.yaml beside it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from fedkd.changes import traced
from fedkd.durable import replace_text
from fedkd.errors import ConfigurationError
from fedkd.records.report import Outcome, Recorder, RoundReport, RunInfo

MANIFEST, CONFIG = "manifest.json", "config.yaml"
PACKAGES = ("fedkd", "torch", "numpy", "numba", "scipy", "scikit-learn", "safetensors", "hydra-core", "mpi4py", "flwr")


class Manifest(Recorder):
    """Written at the start with reason "running", and again at the end; each time in one step."""

    def __init__(self) -> None:
        self._path = Path(MANIFEST)
        self._content: dict[str, object] = {}

    def start(self, info: RunInfo) -> None:
        """Write what is known before the first round; a resumed run keeps its first start.

        Of every resumption there is an entry: when, from which round on, and what was changed for the rest of the run.
        """
        self._path = info.folder / MANIFEST
        now = _now()
        self._content = {**describe(info), "environment": environment(), "started": now, "resumed": []}
        self._content |= {
            "ended": None,
            "reason": "running",
            "rounds_done": 0,
            "model_sha256": "",
            "message": "",
            "code": None,
        }
        if self._path.is_file():
            before = read_manifest(info.folder)
            kept = {"started": before["started"], "rounds_done": before["rounds_done"]}
            changed = {key: list(pair) for key, pair in traced(before["configuration"], info.configuration).items()}
            entry = {"at": now, "round": info.begins, "changed": changed}
            self._content |= {**kept, "resumed": [*before["resumed"], entry]}
        self._write()
        replace_text(info.folder / CONFIG, _yaml(info.configuration))

    def record(self, report: RoundReport) -> None:
        """Nothing: rounds are in metrics.jsonl."""

    def finish(self, outcome: Outcome) -> None:
        """Write how it ended."""
        self._content |= {
            "ended": _now(),
            "reason": outcome.reason,
            "rounds_done": outcome.rounds,
            "seconds": outcome.seconds,
            "model_sha256": outcome.model_sha256,
            "message": outcome.message,
            "code": outcome.code,
        }
        self._write()

    def _write(self) -> None:
        replace_text(self._path, _lines(self._content) + "\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """What manifest.json of a run says.

    Raises:
        ConfigurationError: there is none.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ConfigurationError(f"{folder}: holds no {MANIFEST}; name the folder of a run")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def describe(info: RunInfo) -> dict[str, object]:
    """The run itself, without time or place."""
    return {
        "name": info.name,
        "algorithm": info.algorithm,
        "task": info.task,
        "data": info.data,
        "rounds": info.rounds,
        "clients": info.clients,
        "parameters": info.parameters,
        "uncompressed_bytes": info.uncompressed_bytes,
        "configuration": info.configuration,
        "configuration_sha256": configuration_sha256(info.configuration),
        "label_counts": info.label_counts,
        "facts": info.facts,
    }


def configuration_sha256(configuration: Mapping[str, object]) -> str:
    """The sha256 of the resolved configuration as JSON with sorted keys: the order of keys does not matter."""
    text = json.dumps(configuration, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def environment() -> dict[str, object]:
    """Where it ran: python, platform, processors, versions of the packages that shape the numbers."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "packages": {name: version for name in PACKAGES if (version := _version(name)) is not None} | _plugins(),
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _plugins() -> dict[str, str]:
    """Versions of the packages that declare operators."""
    from fedkd_compression.plugins import declared

    return {entry.dist.name: entry.dist.version for entry in declared() if entry.dist is not None}


def _lines(value: object, indent: str = "") -> str:
    """JSON with a line for every key; a list is one line, since those of a number for every client are long."""
    if not isinstance(value, Mapping) or not value:
        return json.dumps(value, default=str)
    deeper = indent + "  "
    items = (f"{deeper}{json.dumps(str(key))}: {_lines(item, deeper)}" for key, item in value.items())
    return "{\n" + ",\n".join(items) + f"\n{indent}}}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _yaml(configuration: Mapping[str, object]) -> str:
    import yaml

    text: str = yaml.safe_dump(dict(configuration), sort_keys=False)
    return text
