"""The same seed gives the same bits, also when a run is cut in two."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedkd.errors import ConfigurationError
from tests.e2e.runs import SUPERVISED, TINY, kept, manifest_of, resume, rounds_of, run

pytestmark = pytest.mark.e2e

PARTIAL = ("participation=bernoulli", "participation.p=0.6")


def test_same_seed_same_bits_another_seed_another_model(tmp_path: Path) -> None:
    runs = {name: tmp_path / name for name in ("first", "again", "other")}
    seeds = zip(runs.values(), (3, 3, 4), strict=True)
    digests = [run(folder, [*TINY, f"seed={seed}"]).model_sha256 for folder, seed in seeds]
    assert digests[0] == digests[1] != digests[2]
    assert rounds_of(runs["first"]) == rounds_of(runs["again"]) != rounds_of(runs["other"])
    assert (runs["first"] / "model.safetensors").read_bytes() == (runs["again"] / "model.safetensors").read_bytes()


@pytest.mark.parametrize("algorithm", ["mcm", "dore", "rand_mcm", "doublesqueeze"])
def test_two_rounds_and_two_more_are_four(algorithm: str, tmp_path: Path) -> None:
    overrides = [*SUPERVISED, *PARTIAL, f"algorithm={algorithm}", "server=momentum"]
    whole = run(tmp_path / "whole", [*overrides, "rounds=4"])
    run(tmp_path / "halves", [*overrides, "rounds=2"])
    halves = resume(tmp_path / "halves", 4)
    assert (halves.rounds, halves.model_sha256) == (whole.rounds, whole.model_sha256)
    assert rounds_of(tmp_path / "halves") == rounds_of(tmp_path / "whole")


def test_rounds_after_the_last_checkpoint_happen_again(tmp_path: Path) -> None:
    every = [*SUPERVISED, "checkpoint_every=2"]
    whole = run(tmp_path / "whole", [*every, "rounds=5"])
    run(tmp_path / "cut", [*every, "rounds=3"])
    assert kept(tmp_path / "cut").server.round == 2
    assert resume(tmp_path / "cut", 5).model_sha256 == whole.model_sha256
    assert rounds_of(tmp_path / "cut") == rounds_of(tmp_path / "whole")


def test_a_run_that_kept_nothing_begins_again(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", [*SUPERVISED, "rounds=3"])
    run(tmp_path / "cut", [*SUPERVISED, "checkpoint_every=0", "rounds=1"])
    assert resume(tmp_path / "cut", 3).model_sha256 == whole.model_sha256
    assert rounds_of(tmp_path / "cut") == rounds_of(tmp_path / "whole")


def test_resuming_after_the_last_round_changes_nothing(tmp_path: Path) -> None:
    before = run(tmp_path, SUPERVISED)
    content = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    after = resume(tmp_path, 2)
    assert after.model_sha256 == before.model_sha256
    assert "raise rounds" in after.message
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == content


def test_a_resumed_run_keeps_its_configuration(tmp_path: Path) -> None:
    run(tmp_path, [*SUPERVISED, "seed=7"])
    with pytest.raises(ConfigurationError, match=r"^seed: 7 -> 8: cannot change, .*; drop it, or start a new run$"):
        run(tmp_path, [f"resume={tmp_path}", "seed=8"])
    resume(tmp_path, 3)
    manifest = manifest_of(tmp_path)
    assert manifest["rounds_done"] == 3
    assert [(entry["round"], entry["changed"]) for entry in manifest["resumed"]] == [(2, {})]
    assert manifest["facts"]["overrides"] == [f"resume={tmp_path}", "rounds=3"]


def test_a_resumed_run_may_be_told_otherwise(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, SUPERVISED)
    resume(tmp_path, 3)
    assert capfd.readouterr().out == ""
    resume(tmp_path, 4, "recorder=console")
    assert "round 4/4" in capfd.readouterr().out


def test_what_is_named_changes_for_the_rest_of_the_run(tmp_path: Path) -> None:
    for name in ("kept", "changed"):
        run(tmp_path / name, SUPERVISED)
    plain, new = resume(tmp_path / "kept", 4), ("solver.learning_rate=0.5", "server=momentum")
    changed = resume(tmp_path / "changed", 3, *new, "changed=[solver.learning_rate,server]")
    [entry] = manifest_of(tmp_path / "changed")["resumed"]
    assert (changed.reason, entry["round"]) == ("finished", 2)
    assert entry["changed"] == {
        "solver.learning_rate": [0.02, 0.5],
        "server._target_": ["fedkd.algorithms.Sgd", "fedkd.algorithms.Momentum"],
        "server.momentum": [None, 0.9],
    }
    changed = resume(tmp_path / "changed", 4)
    assert manifest_of(tmp_path / "changed")["configuration"]["solver"]["learning_rate"] == 0.5
    assert [each["changed"] for each in manifest_of(tmp_path / "changed")["resumed"]] == [entry["changed"], {}]
    rounds = [rounds_of(tmp_path / name) for name in ("kept", "changed")]
    assert [one == two for one, two in zip(*rounds, strict=True)] == [True, True, False, False]
    assert changed.model_sha256 != plain.model_sha256


def test_a_trainer_that_changes_is_found_anew(tmp_path: Path) -> None:
    run(tmp_path, [*SUPERVISED, "trainer=auto"])
    chosen = []
    for rounds, new in ((3, "trainer.epochs=2"), (4, "trainer=serial"), (5, "trainer=auto")):
        assert resume(tmp_path, rounds, new, "changed=[trainer]").reason == "finished"
        chosen.append(manifest_of(tmp_path)["facts"].get("trainer_choice", {}).get("epochs"))
    assert chosen == [2, None, 2]


def test_a_folder_without_a_run_is_no_run_to_resume(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no manifest.json there; name the folder of a run$"):
        resume(tmp_path, 3)


@pytest.mark.parametrize("store", ["folder", "memory"])
@pytest.mark.parametrize("algorithm", ["mcm", "rand_mcm"])
def test_from_a_damaged_checkpoint_a_run_falls_back_to_the_one_before(
    algorithm: str, store: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    overrides = [*SUPERVISED, *PARTIAL, f"algorithm={algorithm}", f"store={store}", "recorder=console"]
    whole = run(tmp_path / "whole", [*overrides, "rounds=5"])
    run(tmp_path / "cut", [*overrides, "rounds=4"])
    (tmp_path / "cut" / "checkpoints" / "000004.json").write_bytes(b"not a checkpoint")
    capfd.readouterr()
    assert resume(tmp_path / "cut", 5).model_sha256 == whole.model_sha256
    said = " ".join(capfd.readouterr().out.split())
    assert "the checkpoint before round 4 is damaged (000004.json: its checksum is wrong); trying an older one" in said
    assert rounds_of(tmp_path / "cut") == rounds_of(tmp_path / "whole")


def test_when_no_checkpoint_is_whole_it_is_one_line(tmp_path: Path) -> None:
    run(tmp_path, SUPERVISED)
    for path in (tmp_path / "checkpoints").glob("*.json"):
        path.write_bytes(b"not a checkpoint")
    with pytest.raises(ConfigurationError, match=r"no checkpoint is whole; delete the folder to begin again$"):
        resume(tmp_path, 3)
