"""Trials: what is shared, what is not, and that they are the runs that they stand for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fedkd.build import build
from fedkd.compose import compose
from fedkd.configuration import Settings
from fedkd.data import HeldOut
from fedkd.errors import ConfigurationError
from fedkd.federation import run
from sims.trials import Ground, Trial, ground, labels_only, teacher_quality, trial


@pytest.fixture
def small(overrides: tuple[str, ...]) -> Ground:
    return ground(overrides, held_out=200)


def numbers(trial: Trial) -> Trial:
    """A trial without its stop-watch."""
    return replace(trial, seconds=0.0)


def test_a_trial_is_the_run_that_the_configuration_describes(
    small: Ground, overrides: tuple[str, ...], tmp_path: Path
) -> None:
    settings = Settings.of(compose(overrides))
    setup = build(replace(settings, data=HeldOut(settings.data, 200)), lambda _: None)
    start = setup.algorithm.start(setup.model)
    reports = [report for _, report in run(setup.open(tmp_path, {}), start, settings.rounds)]
    found = trial(small, small.task)
    assert found.accuracy == pytest.approx(sum(report.metrics["accuracy"] for report in reports[-3:]) / 3)
    assert found.bytes_up == sum(report.bytes_up for report in reports)
    assert found.bytes_down == sum(report.bytes_down for report in reports)
    assert found.diagnostics == reports[-1].diagnostics


def test_a_trial_does_not_depend_on_those_before_it(small: Ground) -> None:
    first = trial(small, small.task)
    other = trial(small, replace(small.task, tau_true=1.0, tau_other=1.0))
    assert numbers(trial(small, small.task)) == numbers(first)
    assert other.diagnostics["DA"] != first.diagnostics["DA"]


def test_a_judge_is_told_every_round_and_changes_nothing(small: Ground) -> None:
    heard: list[tuple[int, float]] = []
    found = trial(small, small.task, lambda round_, accuracy: heard.append((round_, accuracy)))
    assert [round_ for round_, _ in heard] == [0, 1, 2]
    assert found.accuracy == pytest.approx(sum(accuracy for _, accuracy in heard) / 3)
    assert numbers(trial(small, small.task)) == numbers(found)


def test_labels_alone_are_distillation_with_no_weight(small: Ground) -> None:
    labels, weightless = trial(small, labels_only()), trial(small, replace(small.task, kd_weight=0.0))
    assert labels.accuracy == pytest.approx(weightless.accuracy, abs=0.01)
    assert labels.loss == pytest.approx(weightless.loss, rel=1e-2)
    assert "DA" not in labels.diagnostics


def test_the_test_split_is_measured_only_when_revealed(small: Ground, overrides: tuple[str, ...]) -> None:
    whole = build(Settings.of(compose(overrides)), lambda _: None).data
    hidden, revealed = (build(each.settings, lambda _: None).data for each in (small, small.revealed()))
    assert len(hidden.test) == 200
    assert torch.equal(revealed.test.x, whole.test.x)
    assert torch.equal(revealed.public.x, hidden.public.x)
    assert torch.equal(revealed.train.x, hidden.train.x)


def test_teacher_quality_is_that_of_its_logits(small: Ground) -> None:
    found = teacher_quality(small)
    setup = build(small.settings, lambda _: None)
    teacher = setup.teacher(setup.data)
    assert teacher is not None
    answers = torch.cat([teacher.logits(client, torch.nn.Identity()) for client in range(4)]).softmax(-1)
    labels = torch.cat([setup.data.train.y[torch.as_tensor(part)] for part in setup.parts])
    assert found["confidence"] == pytest.approx(answers.amax(-1).mean().item(), abs=1e-6)
    assert found["accuracy"] == pytest.approx((answers.argmax(-1) == labels).double().mean().item())


def test_a_task_without_temperatures_is_refused(overrides: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="task=Supervised: has no temperatures to search"):
        ground([*overrides[:-3], "task=supervised"], held_out=200)


@pytest.mark.parametrize("teacher", ["global_model", "past_models", "class_logits", "co_trained"])
def test_a_teacher_that_is_not_frozen_has_no_quality_and_its_trial_is_the_run(
    teacher: str, overrides: tuple[str, ...], tmp_path: Path
) -> None:
    chosen = [*(item for item in overrides if not item.startswith("teacher.")), f"teacher={teacher}", "rounds=2"]
    here = ground(chosen, held_out=200)
    assert teacher_quality(here) == {}
    settings = Settings.of(compose(chosen))
    setup = build(replace(settings, data=HeldOut(settings.data, 200)), lambda _: None)
    start = setup.algorithm.start(setup.model)
    *_, (_, report) = run(setup.open(tmp_path, {}), start, settings.rounds)
    assert trial(here, here.task).diagnostics == report.diagnostics
