"""Composition and the command line's own decisions, without a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedkd.compose import beside, compose, configurations, expand, started
from fedkd.configuration import Settings
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
    [("algorithm=mmc", "did you mean mcm?"), ("server=zzzz", "known are adam, convex, momentum, sgd, star, yogi")],
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


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a run leaves it, as far as composition reads it."""
    return left(tmp_path_factory.mktemp("kept"), "seed=5", "rounds=4")


def left(folder: Path, *overrides: str) -> Path:
    manifest = {"configuration": compose(overrides), "facts": {"overrides": list(overrides)}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_a_resumed_run_has_its_own_configuration(kept: Path) -> None:
    values = compose([f"resume={kept}"])
    assert (values["seed"], values["rounds"], values["resume"]) == (5, 4, str(kept))


@pytest.mark.parametrize("rounds", ["rounds=9", "++rounds=9"])
def test_a_resumed_run_may_have_more_rounds(kept: Path, rounds: str) -> None:
    assert compose([f"resume={kept}", rounds])["rounds"] == 9
    assert started([f"resume={kept}", rounds]) == ["seed=5", "rounds=4", rounds]


def test_a_resumed_run_may_be_told_again_what_it_is(kept: Path) -> None:
    same = ["seed=5", "server=sgd", "task.schedules={}", "algorithm=mcm", "++solver.momentum=0.9"]
    assert compose([f"resume={kept}", *same]) == compose([f"resume={kept}"])


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (["seed=6"], "seed: 5 -> 6: cannot change, all that is random comes from it; "),
        (["++seed=0"], "seed: 5 -> 0: cannot change, all that is random comes from it; "),
        (
            ["algorithm=dore"],
            'algorithm.compresses: "model" -> "step", downlink.memory.weight: null -> 1.0: cannot change, memories at ',
        ),
        (
            ["threads=2", "solver.momentum=0.5"],
            "threads: 1 -> 2, solver.momentum: 0.9 -> 0.5: a resumed run keeps its ",
        ),
        (["server=adam", "changed=[server.beta1]"], 'server._target_: "fedkd.algorithms.Sgd" -> "fedkd.algorithms.Ad'),
        (["threads=1", "changed=[threads]"], "changed=[threads]: what was kept is the same; drop threads"),
        (["task=supervised", "teacher=local", "changed=[teacher,task]"], "teacher: Pretrained -> Local: cannot change"),
    ],
)
def test_a_resumed_run_takes_no_change_that_is_not_named(kept: Path, others: list[str], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        compose([f"resume={kept}", *others])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_resumed_run_takes_what_is_named_and_nothing_else(kept: Path) -> None:
    before = compose([f"resume={kept}"])
    new = [
        "server=momentum",
        "server.momentum=0.5",
        "solver.learning_rate=0.25",
        "changed=[server,solver.learning_rate]",
    ]
    values = compose([f"resume={kept}", *new])
    assert values["server"] == {"_target_": "fedkd.algorithms.Momentum", "step_size": 1.0, "momentum": 0.5}
    assert values["solver"] == {**before["solver"], "learning_rate": 0.25}
    assert values["changed"] == ["server", "solver.learning_rate"]
    others = set(before) - {"server", "solver", "changed"}
    assert {name: values[name] for name in others} == {name: before[name] for name in others}
    assert started([f"resume={kept}", *new]) == ["seed=5", "rounds=4", *new[:3]]


def test_a_choice_stands_beside_what_the_run_was_started_with(tmp_path: Path) -> None:
    folder = left(tmp_path, "server=momentum", "server.step_size=0.5")
    values = compose([f"resume={folder}", "server=sgd", "changed=[server]"])
    assert values["server"] == {"_target_": "fedkd.algorithms.Sgd", "step_size": 0.5}


def test_only_a_resumed_run_changes() -> None:
    with pytest.raises(ConfigurationError, match=r"^changed=\[seed\]: only a resumed run changes; set resume$"):
        Settings.of(compose(["changed=[seed]"]))


def test_a_fresh_run_was_started_with_its_own_overrides() -> None:
    assert started(["seed=1"]) == ["seed=1"]
    assert started(["seed=1", "resume=null"]) == ["seed=1", "resume=null"]
