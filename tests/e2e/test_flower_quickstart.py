"""The example of a task that was written for Flower: short to wrap, the same model wherever it runs."""

from __future__ import annotations

import ast
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fedkd.records import read_reports
from tests.e2e.runs import ROOT, command, manifest_of

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("flower_quickstart")]

EXAMPLE = ROOT / "docs" / "examples" / "flower_quickstart"
MOST_LINES = 30
README = (EXAMPLE / "README.md").read_text()
SIMULATION, LOCAL = (
    next(shlex.split(line.split(start)[1]) for line in README.splitlines() if line.startswith(f"    {start} "))
    for start in ("flower-simulation", "python sims/run.py")
)
SHORT = ["rounds=2", "recorder=quiet"]


def imported(path: Path) -> set[str]:
    """Packages that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).partition(".")[0])
    return found


def started(folder: Path, name: str, *words: str) -> Path:
    """The folder of a run, started as the README says."""
    path = os.pathsep.join(map(str, (EXAMPLE, ROOT, ROOT / "compression")))
    line = [*words, *SHORT, f"folder={folder}", f"name={name}"]
    environment = {**os.environ, "PYTHONPATH": path}
    ended = subprocess.run(line, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder / name


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The README's command for this process."""
    return started(tmp_path_factory.mktemp("quickstart"), "local", sys.executable, "sims/run.py", *LOCAL)


def test_the_task_knows_nothing_of_fedkd_and_wrapping_it_is_short() -> None:
    assert imported(EXAMPLE / "task.py") == {"torch", "sklearn"}
    lines = [line for line in (EXAMPLE / "fedkd_app.py").read_text().splitlines() if line.strip()]
    assert len(lines) < MOST_LINES


def test_it_learns_through_mcm_links(local: Path) -> None:
    manifest, reports = manifest_of(local), read_reports(local)
    assert (manifest["reason"], manifest["configuration"]["algorithm"]["name"]) == ("finished", "MCM")
    assert reports[1].metrics["loss"] < reports[0].metrics["loss"]
    assert reports[1].diagnostics["train_loss"] < reports[0].diagnostics["train_loss"]
    assert reports[1].bytes_up < 10 * 3658 * 4 / 10, "ten clients' updates, at least ten times smaller than float32"


def test_nodes_of_flower_in_one_process_give_the_same_model(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    elsewhere = [argument for argument in LOCAL if not argument.startswith("executor=")]
    line = ["executor=flower_in_process", *elsewhere, *SHORT, f"folder={local.parent}", "name=nodes"]
    assert command(monkeypatch, *line) == 0
    nodes = manifest_of(local.parent / "nodes")
    assert nodes["configuration"]["executor"]["_target_"].startswith("fedkd.flower.")
    assert nodes["model_sha256"] == manifest_of(local)["model_sha256"]


@pytest.mark.flower
@pytest.mark.slow
def test_a_simulation_gives_the_same_model(local: Path) -> None:
    simulation = str(Path(sys.executable).with_name("flower-simulation"))
    simulated = started(local.parent, "simulated", simulation, *SIMULATION)
    assert manifest_of(simulated)["model_sha256"] == manifest_of(local)["model_sha256"]
