"""Runs that are over in a blink, and the ways to start one."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from fedkd.checkpoints import Checkpoints, RunState
from fedkd.cli import main
from fedkd.compose import compose
from fedkd.configuration import Settings, check
from fedkd.job import Job, execute
from fedkd.records import Outcome

assert torch.__version__, "loaded here, so that the command line has nothing left to defer"

ROOT = Path(__file__).parents[2]
DIGITS = ("data=digits", "data.samples=160", "data.public=100", "data.test=100")
SMALL = ("clients=4", "rounds=2", "threads=1", "trainer.epochs=1", "recorder=quiet", "executor=local")
STUDENT = ("model.hidden=[8]",)
TEACHER = (
    "teacher.epochs=1",
    "teacher.threads=1",
    "teacher.model.channels=[4]",
    "teacher.model.hidden=8",
    "teacher.model.groups=2",
)
TINY = (*SMALL, *DIGITS, *STUDENT, *TEACHER)
SUPERVISED = (*SMALL, *DIGITS, *STUDENT, "task=supervised")
"""The main job, and its task without a teacher, in a few tenths of a second."""
RESSL = (
    *SMALL,
    *DIGITS,
    "task=ressl",
    "task.queue_size=64",
    "task.probes.episodes=2",
    "task.probes.labels=2",
    "model.trunk.channels=[4]",
    "model.trunk.hidden=8",
    "model.hidden=8",
    "model.output=4",
)
"""Self-supervised, with BatchNorm."""
EXCHANGE = (
    *SMALL,
    *DIGITS,
    "task=relation_exchange",
    *(f"task.students.{name}.trunk.{item}" for name in ("cnn", "small_cnn") for item in ("channels=[4]", "hidden=8")),
    "task.students.resnet.trunk.width=4",
    "task.students.cnn.output=8",
    "task.anchors=20",
    "task.steps=2",
    "task.local.queue_size=32",
    "task.local.probes.episodes=2",
)
"""Three architectures that exchange relations."""


def settings_of(overrides: Sequence[str]) -> Settings:
    """Composed and checked."""
    settings = Settings.of(compose(overrides))
    check(settings)
    return settings


def run(folder: Path, overrides: Sequence[str]) -> Outcome:
    """What the command does for one run, without its report."""
    values = compose(overrides)
    settings = Settings.of(values)
    check(settings)
    return execute(Job(settings, folder, values, overrides, settings.recorder))


def resume(folder: Path, rounds: int, *elsewhere: str) -> Outcome:
    """Go on with a run, perhaps under another executor."""
    return run(folder, [f"resume={folder}", f"rounds={rounds}", *elsewhere])


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The command line in this process; the result is its exit code."""
    monkeypatch.setattr(sys, "argv", ["run.py", *arguments])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def rounds_of(folder: Path) -> list[dict[str, object]]:
    """The lines of metrics.jsonl without their stop-watches."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if not key.startswith("seconds")} for line in lines]


def kept(folder: Path) -> RunState:
    """What the newest checkpoint says, which is whole."""
    state = Checkpoints(folder, 2).load(pytest.fail)
    assert state is not None
    return state


def manifest_of(folder: Path) -> dict[str, Any]:
    """What manifest.json says."""
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return content
