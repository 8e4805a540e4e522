"""A run is made again from its manifest, and what was touched since is found."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedkd.errors import ConfigurationError
from fedkd.verify import Left, Verdict, compare, make_again
from tests.e2e.runs import ROOT, SUPERVISED, command, manifest_of, resume, run

Touch = Callable[[dict[str, Any]], object]
THREE = (*SUPERVISED, "rounds=3", "evaluate_every=2", "participation=bernoulli", "participation.p=0.6")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three rounds in two parts: the second was the last for a while, and was evaluated for that."""
    folder = tmp_path_factory.mktemp("done")
    run(folder, [*THREE, "rounds=1"])
    resume(folder, 3)
    return folder


@pytest.fixture(scope="module")
def made(done: Path, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """The same run, made again."""
    folder = tmp_path_factory.mktemp("made") / "again"
    make_again(done, folder, ())
    return Left.read(folder)


def touched(done: Path, folder: Path, manifest: Touch | None = None, lines: Touch | None = None) -> Path:
    """A copy of a run in which something was touched; of the rounds, the second."""
    shutil.copytree(done, folder)
    if manifest is not None:
        content = manifest_of(folder)
        manifest(content)
        (folder / "manifest.json").write_text(json.dumps(content))
    if lines is not None:
        kept = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        lines(kept[1])
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))
    return folder


def verified(folder: Path, made: Path, *overrides: str) -> Verdict:
    make_again(folder, made, overrides)
    return compare(Left.read(folder), Left.read(made))


def test_a_run_is_the_same_again(done: Path, made: Left) -> None:
    verdict = compare(Left.read(done), made)
    digest = manifest_of(done)["model_sha256"]
    assert verdict.same
    assert verdict.lines[2:] == ["rounds: all 3 the same", f"model: the same, sha256 {digest}", "the same"]
    assert [line.partition(",")[0] for line in verdict.lines[:2]] == ["data: the same", "partition: the same"]


def test_another_executor_makes_the_same(done: Path, tmp_path: Path) -> None:
    verdict = verified(done, tmp_path / "made", "executor=processes", "executor.workers=2")
    assert verdict.same
    assert len(manifest_of(tmp_path / "made")["facts"]["workers"]) == 2


@pytest.mark.parametrize(
    ("touch", "said"),
    [
        (lambda line: line.update(bytes_up=line["bytes_up"] + 1), "bytes_up: "),
        (lambda line: line["diagnostics"].update(train_loss=0.125), "diagnostics.train_loss: 0.125 kept, "),
        (lambda line: line["metrics"].clear(), "metrics."),
        (lambda line: line["cohort"].__setitem__(0, 99), "cohort[0]: 99 kept, "),
    ],
)
def test_a_line_that_was_touched_is_named(done: Path, made: Left, tmp_path: Path, touch: Touch, said: str) -> None:
    verdict = compare(Left.read(touched(done, tmp_path / "run", lines=touch)), made)
    assert not verdict.same
    assert verdict.lines[2] == "rounds: the first 1 the same"
    assert verdict.lines[3].startswith(f"round 1: {said}")
    assert verdict.lines[3].endswith(" made again")
    assert verdict.lines[4].startswith("model: the same")


def test_stop_watches_may_differ_and_a_line_may_not_miss(done: Path, made: Left, tmp_path: Path) -> None:
    assert compare(Left.read(touched(done, tmp_path / "watch", lines=lambda line: line.update(seconds=9.0))), made).same
    cut = touched(done, tmp_path / "cut", lines=lambda line: line.update(round=7))
    assert "round 1: metrics.jsonl kept no line" in compare(Left.read(cut), made).lines


def test_what_else_was_touched_is_named_and_hints_say_why_runs_may_part(done: Path, made: Left, tmp_path: Path) -> None:
    def touch(manifest: dict[str, Any]) -> None:
        manifest["model_sha256"] = "0" * 64
        manifest["facts"]["data_sha256"] = "1" * 64
        manifest["environment"]["packages"]["torch"] = "0.1"
        manifest["configuration"]["trainer"]["_target_"] = "fedkd.trainers.Batched"

    verdict = compare(Left.read(touched(done, tmp_path / "run", touch)), made)
    text = "\n".join(verdict.lines)
    assert f"data: sha256 {'1' * 64} kept, " in text
    assert f"model: sha256 {'0' * 64} kept, " in text
    assert "hint: torch: 0.1 there, " in text
    assert "hint: trainer Batched is equal bit for bit only under the same executor and workers" in text
    assert "hint: resumed at round 1; on Flower clients then start anew" in text
    assert verdict.lines[-1] == "not the same"


def test_another_seed_parts_at_once(done: Path, tmp_path: Path) -> None:
    folder = touched(done, tmp_path / "run", lambda manifest: manifest["configuration"].update(seed=9))
    lines = verified(folder, tmp_path / "made").lines
    parted = [line for line in lines if line.startswith(("partition: sha256 ", "round 0: ", "model: sha256 "))]
    assert len(parted) == 3


def test_a_run_that_was_cut_off_is_compared_as_far_as_it_came(done: Path, made: Left, tmp_path: Path) -> None:
    def touch(manifest: dict[str, Any]) -> None:
        manifest.update(reason="running", rounds_done=0, model_sha256="")

    verdict = compare(Left.read(touched(done, tmp_path / "run", touch)), made)
    assert verdict.same
    assert verdict.lines[2:4] == ["rounds: all 3 the same", "model: the run was cut off before it kept one"]


def test_a_trainer_that_was_found_by_trial_is_taken(tmp_path: Path) -> None:
    run(tmp_path / "run", [*SUPERVISED, "trainer=auto"])
    assert verified(tmp_path / "run", tmp_path / "made").same
    trainer = manifest_of(tmp_path / "run")["facts"]["trainer_choice"]
    assert manifest_of(tmp_path / "made")["configuration"]["trainer"] == trainer


def test_a_clients_own_teacher_learns_again(tmp_path: Path) -> None:
    teacher = ("task=distillation", "teacher=local", "teacher.epochs=1", "teacher.model.channels=[4]")
    run(tmp_path / "run", [*SUPERVISED, *teacher, "teacher.model.hidden=8", "teacher.model.groups=2"])
    for path in (tmp_path / "run" / "teachers").iterdir():
        path.write_bytes(b"not what it answered")
    assert verified(tmp_path / "run", tmp_path / "made").same


def test_a_run_of_a_comparison_is_named_by_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedkd.cli._report", lambda *_: None)
    overrides = (*SUPERVISED, "compare={other: ['seed=5']}", f"folder={tmp_path}", "name=main", "rounds=1")
    assert command(monkeypatch, *overrides) == 0
    assert verified(tmp_path / "main" / "other", tmp_path / "made").same
    assert manifest_of(tmp_path / "made")["facts"]["seed"] == 5


@pytest.mark.parametrize(
    ("touch", "overrides", "said"),
    [
        (
            None,
            ("seed=3",),
            "seed=3: a run is made again as it was; only where it happens (executor, schedule, residency) may "
            "be another",
        ),
        (
            lambda manifest: manifest["resumed"][0].update(changed={"solver.momentum": [0.0, 0.5]}),
            (),
            "solver.momentum changed from round 1 on; a run that was changed cannot be made again",
        ),
        (lambda manifest: manifest.update(rounds_done=0), (), "no round was done; there is nothing to compare"),
    ],
)
def test_what_cannot_be_made_again_is_one_line(
    done: Path, tmp_path: Path, touch: Touch | None, overrides: tuple[str, ...], said: str
) -> None:
    folder = touched(done, tmp_path / "run", touch)
    with pytest.raises(ConfigurationError) as caught:
        make_again(folder, tmp_path / "made", overrides)
    assert str(caught.value).removeprefix(f"{folder}: ") == said
    assert not (tmp_path / "made").exists()


def test_a_folder_that_holds_a_run_is_left_alone(done: Path) -> None:
    with pytest.raises(ConfigurationError, match=r": holds a run already; choose another folder$"):
        make_again(done, done, ())


def test_the_command_says_so_and_has_an_exit_code(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def verify(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["verify.py", *arguments])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(ROOT / "sims" / "verify.py"), run_name="__main__")
        return int(end.value.code or 0)

    other = touched(done, tmp_path / "run", lines=lambda line: line.update(bytes_up=0))
    assert verify(str(other), "--keep", str(tmp_path / "kept"), "executor=local") == 1
    assert capsys.readouterr().out.splitlines()[-1] == "not the same"
    assert (tmp_path / "kept" / "metrics.jsonl").is_file()
    assert verify(str(tmp_path / "nowhere")) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert verify(str(done), "--what") == 2
