"""Tuning: what is tried first, what is told, that it goes on, and that the test split stays unseen."""

from __future__ import annotations

import builtins
import json
from dataclasses import replace
from pathlib import Path

import pytest

from fedkd.errors import ConfigurationError
from fedkd.tasks import Distillation
from sims import tune_temperatures
from sims.trials import Trial, ground
from sims.tune_temperatures import Bounds, Space, main, named, request, table

TASK = Distillation(3.0, 2.0, 1.0, 0.5, "none", clamp=False, label_smoothing=0.0, schedules={})
SPACE = Space(Bounds(1.0, 8.0), Bounds(1.0, 6.0), Bounds(0.1, 0.9), Bounds(1.0, 1.0))
TINY = ("rounds=2", "--seeds", "0", "--held-out", "200")


def test_the_configured_point_and_plain_temperatures_come_first() -> None:
    common = {"kd_weight": 0.5, "tau_student": 1.0}
    expected = [(3.0, 2.0), (1.0, 1.0), (2.0, 2.0), (4.0, 4.0)]
    starts = list(SPACE.starts(TASK))
    assert [(start["tau_true"], start["tau_other"]) for start in starts] == expected
    assert all(start.items() >= common.items() for start in starts)


def test_a_start_out_of_bounds_or_twice_is_left_out() -> None:
    assert [start["tau_true"] for start in replace(SPACE, tau_other=Bounds(1.5, 3.0)).starts(TASK)] == [3.0, 2.0]
    assert [start["tau_true"] for start in SPACE.starts(replace(TASK, tau_true=2.0))] == [2.0, 1.0, 4.0]
    assert list(replace(SPACE, tau_student=Bounds(2.0, 3.0)).starts(TASK)) == []


@pytest.mark.parametrize("text", ["", "1,2,3", "high", "2,1", "0,1", "1,inf", "nan"])
def test_bounds_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^--tau-true {text}: is .*give "):
        request(["--tau-true", text])


def test_one_number_fixes_a_value() -> None:
    assert request(["--tau-student", "2"]).space.tau_student == Bounds(2.0, 2.0)


def test_no_trials_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="--trials 0: is below 1"):
        request(["--trials", "0"])


def test_another_question_has_another_study() -> None:
    asked = request(["clients=4"])
    assert asked.study == request(["clients=4", "--trials", "9", "--search-seed", "3"]).study
    others = (["clients=5"], ["clients=4", "--seeds", "0"], ["clients=4", "--tau-true", "1,9"])
    assert asked.study not in {request(other).study for other in others}


def test_a_point_is_told_as_overrides() -> None:
    assert named({"tau_true": 3.14159, "kd_weight": 0.5}) == "task.tau_true=3.142 task.kd_weight=0.5"


def test_gains_are_paired_by_seed_and_what_was_given_up_is_counted() -> None:
    point = {"tau_true": 3.0, "tau_other": 2.0, "kd_weight": 0.5, "tau_student": 1.0}
    found = [
        {"number": 7, "point": point, "trials": [{"accuracy": 0.9}, {"accuracy": 0.7}]},
        {"number": 8, "point": point, "trials": []},
    ]
    shown = table(found, [Trial(value, 0.5, 1, 1, 1.0, {}) for value in (0.8, 0.6)])
    assert shown.title == "held-out accuracy: the best of 1 trials, 1 given up"
    assert list(shown.columns[0].cells) == ["7", "CE"]
    assert list(shown.columns[-1].cells) == ["+10.00 ± 0.00", "-"]


def test_without_optuna_one_line_says_what_to_install(
    overrides: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = builtins.__import__

    def missing(name: str, *arguments: object) -> object:
        if name == "optuna":
            raise ModuleNotFoundError(name)
        return found(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ConfigurationError, match=r"^Optuna is not installed; install fedkd\[tune\]$"):
        main(overrides)


@pytest.mark.slow
def test_a_study_is_the_same_again_and_goes_on(overrides: tuple[str, ...], tmp_path: Path) -> None:
    pytest.importorskip("optuna")

    def tuned(name: str, trials: int, *options: str) -> list[dict[str, object]]:
        output = tmp_path / f"{name}.json"
        main([*overrides, *TINY, "--trials", str(trials), "--output", str(output), *options])
        told: list[dict[str, object]] = json.loads(output.read_text())["trials"]
        return [{key: _untimed(value) for key, value in each.items()} for each in told]

    whole = tuned("whole", 6)
    assert sorted(each["number"] for each in whole) == list(range(6))
    accuracies = [each["trials"][0]["accuracy"] for each in whole if each["trials"]]
    assert accuracies == sorted(accuracies, reverse=True)
    assert tuned("again", 6) == whole
    storage = ("--storage", str(tmp_path / "study.db"))
    first = tuned("first", 5, *storage)
    assert {each["number"] for each in tuned("more", 6, *storage)} == set(range(6))
    assert tuned("enough", 5, *storage)[:1] == tuned("more", 6, *storage)[:1]
    assert [each for each in whole if each["number"] < 5] == first


def _untimed(value: object) -> object:
    """Without stop-watches."""
    if not isinstance(value, list):
        return value
    return [{key: item for key, item in each.items() if key != "seconds"} for each in value]


def test_trials_see_held_out_samples_only(overrides: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    on = [ground([*overrides, "rounds=1"], 200)]
    whole, seen = ground([*overrides, "rounds=1"], 200).test, []

    def watched(each: object, task: object, judge: object = None) -> Trial:
        seen.append(each)
        judge(0, 0.5)
        return Trial(0.5, 0.5, 1, 1, 1.0, {})

    monkeypatch.setattr(tune_temperatures, "trial", watched)
    tune_temperatures.tune(request([*overrides, "--trials", "2"]), on, lambda _: None)
    assert len(seen) == 2
    for each in seen:
        measured = each.settings.data.dataset.test
        assert len(measured) == 200 != len(whole)


def test_what_is_worse_than_the_median_is_given_up(overrides: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    on = [ground([*overrides, "rounds=1"], 200)]
    qualities = iter([0.5, 0.6, 0.7, 0.8, 0.9, 0.1, 0.95])

    def known(each: object, task: object, judge: object = None) -> Trial:
        quality = next(qualities)
        judge(0, quality)
        return Trial(quality, 0.5, 1, 1, 1.0, {})

    monkeypatch.setattr(tune_temperatures, "trial", known)
    found = tune_temperatures.tune(request([*overrides, "--trials", "7"]), on, lambda _: None)
    assert [each["number"] for each in found] == [6, 4, 3, 2, 1, 0, 5]
    assert [bool(each["trials"]) for each in found] == [True] * 6 + [False]
