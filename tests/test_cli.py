"""Composition and the command line's own decisions, without a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedkd.compose import beside, compose, configurations, expand, started
from fedkd.errors import ConfigurationError


def test_a_plain_command_line_is_one_run() -> None:
    assert list(expand(["rounds=3", "algorithm=dore"])) == [["rounds=3", "algorithm=dore"]]
    assert list(expand([])) == [[]]


@pytest.mark.parametrize("flag", ["-m", "--multirun"])
def test_a_sweep_is_every_combination(flag: str) -> None:
    runs = list(expand(["seed=0,1", flag, "algorithm=mcm,diana"]))
    assert runs == [[f"seed={seed}", f"algorithm={name}"] for seed in (0, 1) for name in ("mcm", "diana")]


@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"], ["-m", "--info"]])
def test_a_command_line_that_asks_to_be_shown_something_is_no_run(arguments: list[str]) -> None:
    assert list(expand(arguments)) == []


def test_what_cannot_be_read_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"^model\.hidden=\[8: cannot be read \(.*\); quote its values$"):
        list(expand(["rounds=3", "model.hidden=[8"]))


def test_the_configurations_are_found() -> None:
    assert (configurations() / "config.yaml").is_file()


def test_a_key_that_no_file_has_is_let_in_for_the_typed_check() -> None:
    assert compose(["uplink.operator.block=3"])["uplink"]["operator"]["block"] == 3


@pytest.mark.parametrize(
    ("choice", "hint"),
    [("algorithm=mmc", "did you mean mcm?"), ("server=zzzz", "known are adam, convex, momentum, sgd, yogi")],
)
def test_an_unknown_choice_has_a_hint(choice: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        compose([choice])
    assert str(caught.value) == f"{choice}: unknown choice; {hint}"


def test_an_interpolation_is_resolved() -> None:
    assert compose(["name='run-${seed}'", "seed=4"])["name"] == "run-4"


def test_a_comparison_switches_off_what_the_run_sets_a_field_of() -> None:
    values = beside(["teacher.epochs=2", "compare={a: ['rounds=3']}"], ["task=supervised"])
    assert (values["teacher"], values["compare"]) == ({}, {})
    assert beside(["teacher.epochs=2"], ["rounds=3"])["teacher"]["epochs"] == 2


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder as a run leaves it, as far as composition reads it."""
    values = compose(["seed=5", "rounds=4"])
    manifest = {"configuration": values, "facts": {"overrides": ["seed=5", "rounds=4"]}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def test_a_resumed_run_has_its_own_configuration(kept: Path) -> None:
    values = compose([f"resume={kept}"])
    assert (values["seed"], values["rounds"], values["resume"]) == (5, 4, str(kept))


@pytest.mark.parametrize("rounds", ["rounds=9", "++rounds=9"])
def test_a_resumed_run_may_have_more_rounds(kept: Path, rounds: str) -> None:
    assert compose([f"resume={kept}", rounds])["rounds"] == 9
    assert started([f"resume={kept}", rounds]) == ["seed=5", "rounds=4", rounds]


@pytest.mark.parametrize("other", ["seed=6", "++seed=6", "algorithm=dore", "compare={}"])
def test_a_resumed_run_takes_no_other_change(kept: Path, other: str) -> None:
    with pytest.raises(ConfigurationError, match=r"a resumed run keeps its configuration; drop it, "):
        compose([f"resume={kept}", other])


def test_a_fresh_run_was_started_with_its_own_overrides() -> None:
    assert started(["seed=1"]) == ["seed=1"]
    assert started(["seed=1", "resume=null"]) == ["seed=1", "resume=null"]
