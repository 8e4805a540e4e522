"""A run says what its optimizers had learned, and goes on with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.optimizers import STAR_FORM, drawn, read_theta
from fedkd.verify import Left, compare, make_again
from tests.e2e.runs import SUPERVISED, manifest_of, resume, run, settings_of

pytestmark = pytest.mark.e2e


def write(path: Path, seed: int) -> None:
    path.write_bytes(drawn(STAR_FORM, key(seed, "optimizer")).pack({"seed": str(seed)}))


def test_a_run_says_what_was_learned(tmp_path: Path) -> None:
    write(tmp_path / "a.safetensors", 1)
    (tmp_path / "b.safetensors").write_bytes(read_theta(str(tmp_path / "a.safetensors")).pack({"told": "otherwise"}))
    digests = {}
    for name in ("a", "b"):
        run(tmp_path / name, [*SUPERVISED, "rounds=1", "solver=star", f"solver.theta={tmp_path / name}.safetensors"])
        digests[name] = manifest_of(tmp_path / name)["facts"]["theta_sha256"]
    assert digests["a"] == digests["b"], "the same numbers"
    assert list(digests["a"]) == ["solver"]
    run(tmp_path / "none", [*SUPERVISED, "rounds=1"])
    assert manifest_of(tmp_path / "none")["facts"]["theta_sha256"] == {}


@pytest.mark.parametrize("group", ["solver", "server"])
def test_a_run_does_not_go_on_with_another_files_numbers(group: str, tmp_path: Path) -> None:
    theta, other, folder = tmp_path / "learned.safetensors", tmp_path / "other.safetensors", tmp_path / "run"
    write(theta, 1)
    run(folder, [*SUPERVISED, "rounds=1", f"{group}=star", f"{group}.theta={theta}"])
    kept = theta.read_bytes()
    write(theta, 2)
    with pytest.raises(ConfigurationError, match=rf"^{group}.theta=.*: has sha256 .*, had .* when the run began; rest"):
        resume(folder, 2)
    theta.write_bytes(kept)
    assert resume(folder, 2).reason == "finished"
    write(other, 2)
    assert resume(folder, 3, f"{group}.theta={other}", f"changed=[{group}.theta]").reason == "finished"
    write(other, 3)
    with pytest.raises(ConfigurationError, match=rf"^{group}.theta=.*other.safetensors: has sha256"):
        resume(folder, 4)


def test_a_run_that_is_made_again_with_other_numbers_is_told_why_it_differs(tmp_path: Path) -> None:
    theta, folder, made = tmp_path / "learned.safetensors", tmp_path / "run", tmp_path / "made"
    write(theta, 1)
    run(folder, [*SUPERVISED, "rounds=1", "solver=star", f"solver.theta={theta}"])
    write(theta, 2)
    make_again(folder, made, [])
    verdict = compare(Left.read(folder), Left.read(made))
    before, after = (manifest_of(run_)["facts"]["theta_sha256"]["solver"] for run_ in (folder, made))
    assert not verdict.same
    assert f"hint: solver.theta: sha256 {before} there, {after} here; its file was replaced" in verdict.lines


def test_another_optimizer_may_take_over(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(folder, [*SUPERVISED, "rounds=1"])
    assert resume(folder, 2, "server=star", "changed=[server]").reason == "finished"
    assert list(manifest_of(folder)["facts"]["theta_sha256"]) == ["server"]
    assert settings_of([f"resume={folder}", "rounds=3"]).server.theta == "server"
