"""Runs that start from another run's model: with every algorithm, on every executor, resumed, compared, made again."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fedkd.build import build
from fedkd.errors import ConfigurationError
from fedkd.records import read_reports
from fedkd.verify import Left, compare, make_again
from tests.e2e.runs import (
    DIGITS,
    ROOT,
    SMALL,
    STUDENT,
    SUPERVISED,
    TINY,
    command,
    manifest_of,
    resume,
    rounds_of,
    run,
    settings_of,
)

pytestmark = pytest.mark.e2e

STILL = ("rounds=1", "solver.learning_rate=1e-30")
"""A round in which nothing moves."""
ALGORITHMS = sorted(path.stem for path in (ROOT / "configs" / "algorithm").glob("*.yaml"))
FOREIGN = (
    *(item for item in SMALL if item != "trainer.epochs=1"),
    "plugins=[tests]",
    "task=foreign",
    "task._target_=tests.tasks.foreign_code.Blobs",
)
CONVEX = (*SMALL, "task=least_squares", "data.samples_per_client=20", "data.dim=5")


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learned something."""
    folder = tmp_path_factory.mktemp("former")
    run(folder, [*SUPERVISED, "solver.learning_rate=0.1", "algorithm=sgd"])
    return folder


@pytest.fixture
def lost(former: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may delete."""
    return Path(shutil.copytree(former, tmp_path / "lost"))


def sha256(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_first_clients_hear_the_former_model(algorithm: str, former: Path, tmp_path: Path) -> None:
    run(tmp_path, [*SUPERVISED, f"algorithm={algorithm}", f"init={former}", *STILL])
    before, after = read_reports(former)[-1].metrics, read_reports(tmp_path)[-1].metrics
    assert after["accuracy"] == before["accuracy"]
    assert after["loss"] == pytest.approx(before["loss"], rel=1e-5)


def test_the_manifest_says_what_was_taken(former: Path, tmp_path: Path) -> None:
    run(tmp_path, [*SUPERVISED, f"init={former}"])
    said = manifest_of(tmp_path)
    names = ["1.weight", "1.bias", "3.weight", "3.bias"]
    assert said["configuration"]["init"] == str(former)
    assert said["facts"]["init"] == {
        "path": str(former),
        "sha256": sha256(former),
        "taken": names,
        "anew": [],
        "unused": [],
    }
    assert manifest_of(former)["facts"]["init"] == {}


@pytest.mark.parametrize(
    "base", [SUPERVISED, (*SUPERVISED, "algorithm=rand_mcm"), TINY], ids=["mcm", "rand_mcm", "distillation"]
)
@pytest.mark.parametrize("way", [("executor=processes", "executor.workers=2"), ("executor=flower_in_process",)])
def test_any_executor_begins_with_the_same(
    base: Sequence[str], way: Sequence[str], former: Path, tmp_path: Path
) -> None:
    one, other = (run(tmp_path / name, [*base, f"init={former}", *extra]) for name, extra in (("a", ()), ("b", way)))
    assert one.model_sha256 == other.model_sha256
    assert rounds_of(tmp_path / "a") == rounds_of(tmp_path / "b")
    assert one.model_sha256 != run(tmp_path / "c", base).model_sha256


def test_who_is_sent_the_model_does_not_read_the_file(former: Path, tmp_path: Path) -> None:
    settings = settings_of([*SUPERVISED, f"init={former}"])
    read, drawn = build(settings, lambda _: None), build(settings_of(SUPERVISED), lambda _: None)
    path = tmp_path / "model.safetensors"
    shutil.copy(former / "model.safetensors", path)
    elsewhere = settings_of([*SUPERVISED, f"init={path}"])
    path.unlink()
    node = build(elsewhere, lambda _: None, b"")
    model = torch.cat([tensor.flatten() for _, tensor in sorted(load_file(former / "model.safetensors").items())])
    assert torch.equal(torch.sort(read.model).values, torch.sort(model).values)
    assert torch.equal(node.model, drawn.model)
    assert node.origin is None


def test_the_trunk_goes_on_with_other_classes(former: Path, tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).random((60, 1, 8, 8), np.float32), np.arange(60) % 3
    np.savez(tmp_path / "three.npz", x=x, y=y)
    three = ("data=npz", f"data.path={tmp_path}/three.npz", "data.test_fraction=0.2", "partitioner=iid")
    run(tmp_path / "run", [*SMALL, *STUDENT, "task=supervised", *three, f"init={former}", *STILL, "algorithm=sgd"])
    kept, made = (load_file(folder / "model.safetensors") for folder in (former, tmp_path / "run"))
    assert all(torch.equal(kept[name], made[name]) for name in ("1.weight", "1.bias"))
    assert made["3.weight"].shape == (3, 8)
    facts = manifest_of(tmp_path / "run")["facts"]["init"]
    assert (facts["taken"], facts["anew"]) == (["1.weight", "1.bias"], ["3.weight", "3.bias"])


def test_an_encoder_that_learned_without_labels_goes_on_with_them(tmp_path: Path) -> None:
    trunk = ("channels=[4]", "hidden=8", "groups=2", "norm=batch")
    small = (*SMALL, *DIGITS, "rounds=1")
    run(tmp_path / "former", [*small, "task=ressl", *(f"model.trunk.{item}" for item in trunk)])
    again = (*small, "task=supervised", "model=cnn", *(f"model.{item}" for item in trunk), *STILL, "algorithm=sgd")
    run(tmp_path / "run", [*again, f"init={tmp_path / 'former'}"])
    kept, made = (load_file(tmp_path / name / "model.safetensors") for name in ("former", "run"))
    facts = manifest_of(tmp_path / "run")["facts"]["init"]
    assert (facts["anew"], facts["unused"]) == (["7.weight", "7.bias"], [])
    assert {"1.running_mean", "1.running_var", "5.weight"} <= set(facts["taken"])
    still = [name for name in facts["taken"] if "running" not in name]
    assert all(torch.equal(kept[name], made[name]) for name in still)


@pytest.mark.parametrize("base", [FOREIGN, CONVEX], ids=["foreign", "convex"])
def test_foreign_and_convex_models_go_on(base: Sequence[str], tmp_path: Path) -> None:
    run(tmp_path / "former", base)
    kept = load_file(tmp_path / "former" / "model.safetensors")
    outcome = run(tmp_path / "run", [*base, f"init={tmp_path / 'former'}"])
    facts = manifest_of(tmp_path / "run")["facts"]["init"]
    assert outcome.reason == "finished"
    assert (sorted(facts["taken"]), facts["anew"]) == (sorted(kept), [])
    assert rounds_of(tmp_path / "run")[-1]["metrics"] != rounds_of(tmp_path / "former")[-1]["metrics"]


def test_a_resumed_run_does_without_the_file(former: Path, lost: Path, tmp_path: Path) -> None:
    run(tmp_path / "whole", [*SUPERVISED, f"init={former}", "rounds=3"])
    run(tmp_path / "run", [*SUPERVISED, f"init={lost}", "rounds=1"])
    noted = manifest_of(tmp_path / "run")["facts"]["init"]
    shutil.rmtree(lost)
    assert resume(tmp_path / "run", 3).model_sha256 == manifest_of(tmp_path / "whole")["model_sha256"]
    assert manifest_of(tmp_path / "run")["facts"]["init"] == noted
    assert noted["sha256"] == sha256(former)


def test_without_a_checkpoint_a_resumed_run_begins_again(lost: Path, tmp_path: Path) -> None:
    first = run(tmp_path / "run", [*SUPERVISED, f"init={lost}", "checkpoint_every=0", "rounds=1"])
    assert resume(tmp_path / "run", 2).rounds == 2
    assert first.model_sha256 != manifest_of(tmp_path / "run")["model_sha256"]
    shutil.rmtree(lost)
    with pytest.raises(ConfigurationError, match=r"^init=.*/lost: no model\.safetensors there; name the folder"):
        resume(tmp_path / "run", 3)


def test_a_resumed_run_cannot_start_from_another(former: Path, tmp_path: Path) -> None:
    run(tmp_path, [*SUPERVISED, "rounds=1"])
    with pytest.raises(ConfigurationError, match=r'^init: null -> ".*": cannot change, the first model was made from'):
        run(tmp_path, [f"resume={tmp_path}", "rounds=2", f"init={former}", "changed=[init]"])


def test_runs_beside_it_start_from_it_too(
    former: Path, lost: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fedkd.cli._report", lambda *_: None)
    beside = "compare={other: ['algorithm=sgd'], anew: ['init=null']}"
    arguments = (*SUPERVISED, "rounds=1", beside, f"folder={tmp_path}")
    assert command(monkeypatch, *arguments, f"init={lost}", "name=main") == 0
    facts = [manifest_of(tmp_path / name)["facts"]["init"] for name in ("main", "main/other", "main/anew")]
    assert [fact.get("sha256") for fact in facts] == [sha256(former), sha256(former), None]
    shutil.rmtree(lost)
    assert command(monkeypatch, f"resume={tmp_path / 'main'}", "rounds=2") == 0
    assert manifest_of(tmp_path / "main" / "other")["rounds_done"] == 2
    assert command(monkeypatch, *arguments, f"init={lost}", "name=second") == 2
    assert f"configuration: init={lost}: no model.safetensors there" in capsys.readouterr().err


def test_a_run_is_made_again_and_a_file_that_was_replaced_is_named(lost: Path, tmp_path: Path) -> None:
    run(tmp_path / "run", [*SUPERVISED, f"init={lost}"])
    make_again(tmp_path / "run", tmp_path / "same", ())
    assert compare(Left.read(tmp_path / "run"), Left.read(tmp_path / "same")).same
    before = sha256(lost)
    run(tmp_path / "another", [*SUPERVISED, "seed=3"])
    shutil.copy(tmp_path / "another" / "model.safetensors", lost)
    make_again(tmp_path / "run", tmp_path / "other", ())
    verdict = compare(Left.read(tmp_path / "run"), Left.read(tmp_path / "other"))
    assert f"hint: init: sha256 {before} there, {sha256(lost)} here; its file was replaced" in verdict.lines
    assert not verdict.same


def test_a_model_that_does_not_fit_ends_before_teachers_learn(former: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"1\.weight is \[8, 64\] there, \[9, 64\] here; .* the head, 3\.\*"):
        run(tmp_path / "run", [*SMALL, *DIGITS, "model.hidden=[9]", "teacher.epochs=1000000", f"init={former}"])
    assert not (tmp_path / "run").exists()
