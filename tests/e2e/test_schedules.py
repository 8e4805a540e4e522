"""Schedules of a task's numbers: from the command line into every round, whoever trains, also in a run that goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.runs import TINY, manifest_of, resume, rounds_of, run

pytestmark = pytest.mark.e2e

WARM_UP = "task.schedules.kd_weight={shape: linear, first: 0.1, rounds: 3}"


def test_a_value_is_the_first_until_its_rounds_are_over(tmp_path: Path) -> None:
    held = "task.schedules.kd_weight={shape: constant, first: 0.25, rounds: 9}"
    scheduled = run(tmp_path / "scheduled", [*TINY, "task.kd_weight=0.75", held])
    plain = run(tmp_path / "plain", [*TINY, "task.kd_weight=0.25"])
    assert scheduled.model_sha256 == plain.model_sha256
    assert rounds_of(tmp_path / "scheduled") == rounds_of(tmp_path / "plain")


def test_a_warm_up_is_the_same_in_other_processes_and_cut_in_two(tmp_path: Path) -> None:
    overrides = [*TINY, "task.kd_weight=0.9", WARM_UP]
    whole = run(tmp_path / "whole", [*overrides, "rounds=4"])
    spread = run(tmp_path / "spread", [*overrides, "rounds=4", "executor=processes", "executor.workers=2"])
    run(tmp_path / "halves", [*overrides, "rounds=2"])
    halves = resume(tmp_path / "halves", 4)
    assert whole.model_sha256 == spread.model_sha256 == halves.model_sha256
    constant = run(tmp_path / "constant", [*TINY, "task.kd_weight=0.9", "rounds=4"])
    assert whole.model_sha256 != constant.model_sha256
    configuration = manifest_of(tmp_path / "whole")["configuration"]
    assert configuration["task"]["schedules"] == {"kd_weight": {"shape": "linear", "first": 0.1, "rounds": 3}}


def test_both_trainers_follow_a_schedule(tmp_path: Path) -> None:
    changes = ["task=dkd", "task.schedules.beta={shape: cosine, first: 0, rounds: 2}", "rounds=3"]
    losses = []
    for trainer in ("serial", "batched"):
        run(tmp_path / trainer, [*TINY, *changes, f"trainer={trainer}", "trainer.epochs=1"])
        losses.append([float(line["train_loss"]) for line in map(_diagnostics, rounds_of(tmp_path / trainer))])
    assert losses[0] == pytest.approx(losses[1], rel=0.05), "compression makes more of a rounding"
    assert losses[0][0] < losses[0][1], "a larger weight is a larger loss"


def _diagnostics(line: dict[str, object]) -> dict[str, float]:
    found = line["diagnostics"]
    assert isinstance(found, dict)
    return found
