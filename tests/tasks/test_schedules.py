"""Schedules: by hand, and what a task is in each round."""

from __future__ import annotations

import dataclasses

import pytest

from fedkd.configuration import construct
from fedkd.errors import ConfigurationError
from fedkd.tasks import Distillation, Matching, Schedule, Supervised, Task
from fedkd.tasks.losses import Decoupled
from fedkd.tasks.schedules import Shape

PLAIN = Distillation(4.0, 2.0, 1.0, 0.5, "none", clamp=False, label_smoothing=0.0, schedules={})
DKD = Matching(1.0, 2.0, 0.0, Decoupled(1.0, 8.0, 4.0), {})


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("constant", [0.1, 0.1, 0.1, 0.1, 0.9, 0.9]),
        ("linear", [0.1, 0.3, 0.5, 0.7, 0.9, 0.9]),
        ("cosine", [0.1, 0.1 + 0.4 * (1 - 0.5**0.5), 0.5, 0.1 + 0.4 * (1 + 0.5**0.5), 0.9, 0.9]),
    ],
)
def test_every_shape_by_hand(shape: Shape, expected: list[float]) -> None:
    schedule = Schedule(shape, 0.1, 4)
    assert [schedule.at(round_, 0.9) for round_ in range(6)] == pytest.approx(expected, rel=1e-14)
    assert schedule.at(4, 0.9) == 0.9
    assert schedule.at(0, 0.9) == 0.1


def test_a_value_may_fall() -> None:
    assert [Schedule("linear", 8.0, 2).at(round_, 4.0) for round_ in range(3)] == [8.0, 6.0, 4.0]


def test_a_task_without_schedules_is_the_same_in_every_round() -> None:
    for task in (PLAIN, DKD, Supervised(0.1)):
        assert task.at(7) is task


def test_a_round_s_task_has_the_scheduled_values_and_no_schedules() -> None:
    schedules = {"kd_weight": Schedule("linear", 0.0, 4), "tau_true": Schedule("linear", 8.0, 2)}
    task = dataclasses.replace(PLAIN, schedules=schedules)
    assert task.at(1) == dataclasses.replace(PLAIN, kd_weight=0.125, tau_true=6.0)
    assert task.at(4) == task.at(99) == PLAIN


def test_numbers_of_a_distance_are_scheduled_too() -> None:
    schedules = {"label_weight": Schedule("constant", 0.5, 3), "beta": Schedule("linear", 0.0, 4)}
    task = dataclasses.replace(DKD, schedules=schedules)
    assert task.at(1) == Matching(0.5, 2.0, 0.0, Decoupled(1.0, 2.0, 4.0), {})
    assert task.at(4) == DKD


@pytest.mark.parametrize(
    ("task", "name", "known"),
    [
        (PLAIN, "tau", "tau_true, tau_other, tau_student, kd_weight, label_smoothing"),
        (PLAIN, "center", "tau_true, tau_other, tau_student, kd_weight, label_smoothing"),
        (DKD, "gamma", "label_weight, kd_weight, label_smoothing, alpha, beta, tau"),
    ],
)
def test_what_is_no_number_of_the_task_is_refused(task: Task, name: str, known: str) -> None:
    with pytest.raises(ConfigurationError, match=f"schedules.{name} is unknown; choose among {known}$"):
        dataclasses.replace(task, schedules={name: Schedule("linear", 0.5, 2)})


@pytest.mark.parametrize(
    ("task", "name", "first", "message"),
    [
        (PLAIN, "kd_weight", 1.5, "Distillation: kd_weight=1.5 is outside"),
        (PLAIN, "tau_true", 0.0, "Distillation: tau_true=0.0 is not positive"),
        (DKD, "kd_weight", -1.0, "Matching: kd_weight=-1.0 is not in"),
        (DKD, "tau", -1.0, "Decoupled: tau=-1.0 is not positive"),
    ],
)
def test_a_first_value_out_of_bounds_is_refused(task: Task, name: str, first: float, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        dataclasses.replace(task, schedules={name: Schedule("cosine", first, 2)})


def test_a_schedule_is_a_value_of_the_configuration() -> None:
    found = construct(Schedule, {"shape": "cosine", "first": 0, "rounds": 5}, "task.schedules.kd_weight")
    assert found == Schedule("cosine", 0.0, 5)
    with pytest.raises(ConfigurationError, match="one of constant, linear, cosine"):
        construct(Schedule, {"shape": "step", "first": 0, "rounds": 5}, "task.schedules.kd_weight")
    with pytest.raises(ConfigurationError, match="rounds=0 is below 1"):
        Schedule("linear", 0.0, 0)
