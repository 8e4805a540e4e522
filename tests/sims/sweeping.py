"""Sweeps of tiny runs, in this process or in one that can be killed, and what they have left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fedkd.cli import guarded
from fedkd.signals import heeded
from sims.sweep import main
from tests.e2e.runs import SUPERVISED, manifest_of

BASE = tuple(item for item in SUPERVISED if not item.startswith(("rounds=", "recorder=")))


def no_page(*_: object) -> str:
    """Instead of the report, which takes longer than the runs."""
    return "no report"


def swept(folder: Path, *arguments: str) -> int:
    """The command, in this process; the result is its exit code, also of a wrong configuration."""
    try:
        with heeded():
            guarded(lambda: main([*BASE, *arguments, "--output", str(folder)]))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def runs_of(folder: Path) -> dict[str, dict[str, Any]]:
    """The manifests of all runs in a sweep's folder, by name."""
    return {path.parent.name: manifest_of(path.parent) for path in sorted(folder.glob("*/manifest.json"))}


def models(folder: Path) -> dict[str, str]:
    """The sha256 of each run's final model."""
    return {name: manifest["model_sha256"] for name, manifest in runs_of(folder).items()}


def states(folder: Path) -> dict[str, str]:
    """What the sweep's file says of each run."""
    content = json.loads((folder / "sweep.json").read_text())
    return {run["folder"]: run["state"] for run in content["runs"]}
