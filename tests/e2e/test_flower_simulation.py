"""flower-simulation with Flower's own processes: the folder and the exit code of any run, and nothing that is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fedkd.algorithms.abreast import cores
from fedkd.checkpoints import Checkpoints
from tests.e2e.runs import ROOT, SUPERVISED, manifest_of, rounds_of, run
from tests.faults.trainers import faulty

pytestmark = [pytest.mark.e2e, pytest.mark.flower, pytest.mark.slow]

CHOSEN = [
    *(item for item in SUPERVISED if not item.startswith(("executor=", "clients=", "recorder="))),
    f"executor.client_cpus={cores()}",
]
"""One actor, which imports torch once."""
FOLDER = {"metrics.jsonl", "timeline.jsonl", "manifest.json", "config.yaml", "model.safetensors", "report.html"}
LATEST = 180.0
"""Seconds for a run on a machine that is busy."""


@dataclass(frozen=True)
class Place:
    """Where the launcher makes the home of a simulation; its path marks every process."""

    homes: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "TMPDIR": str(self.homes), "PYTHONPATH": str(ROOT)}
        command = [str(Path(sys.executable).parent / "flower-simulation"), "num_supernodes=4", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        with self.start(*arguments) as process:
            try:
                said, wrong = process.communicate(timeout=LATEST)
            finally:
                process.kill()
        return process.returncode, said, wrong

    def processes(self) -> list[int]:
        mark = str(self.homes).encode()
        return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if mark in _read(path)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.fixture
def place() -> Iterator[Place]:
    """Nothing may be left in it, and nobody who knows it. Its path is short: sockets lie below."""
    with tempfile.TemporaryDirectory(prefix="f") as homes:
        place = Place(Path(homes))
        try:
            yield place
            assert place.processes() == []
            assert list(place.homes.iterdir()) == []
        finally:
            for process in place.processes():
                os.kill(process, signal.SIGKILL)


def test_a_run_leaves_the_folder_and_shows_the_progress_of_any_run(place: Place, tmp_path: Path) -> None:
    code, said, wrong = place.run(*CHOSEN, f"folder={tmp_path}", "name=flower")
    folder = tmp_path / "flower"
    assert (code, wrong) == (0, "")
    assert {path.name for path in folder.iterdir() if path.is_file()} >= {*FOLDER}
    assert "round 2/2" in said
    assert "flower: finished after 2 rounds" in said
    local = run(tmp_path / "local", SUPERVISED)
    assert manifest_of(folder)["model_sha256"] == local.model_sha256
    assert rounds_of(folder) == rounds_of(tmp_path / "local")


def test_a_client_that_fails_is_shown_and_the_log_is_kept(place: Place, tmp_path: Path) -> None:
    fault = faulty("raises", 1, 2)
    code, said, wrong = place.run(*CHOSEN, *fault, "recorder=quiet", f"folder={tmp_path}", "name=flower")
    folder = tmp_path / "flower"
    assert (code, said) == (1, "")
    assert "this sample cannot be read" in wrong
    assert "2" in wrong
    manifest = manifest_of(folder)
    assert (manifest["reason"], manifest["rounds_done"]) == ("failed", 1)
    assert "this sample cannot be read" in (folder / "flower.log").read_text()


@pytest.mark.exhaustive
def test_ctrl_c_leaves_a_run_that_can_go_on(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "flower"
    overrides = [*CHOSEN, "rounds=100000", "recorder=quiet", f"folder={tmp_path}", "name=flower"]
    with place.start(*overrides) as process:
        _wait_for_rounds(folder, 2, process)
        process.send_signal(signal.SIGINT)
        try:
            _, wrong = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    manifest = manifest_of(folder)
    assert wrong == f"interrupted after round {manifest['rounds_done']}; continue with resume={folder}\n"
    assert (manifest["reason"], manifest["rounds_done"] >= 2) == ("interrupted", True)
    assert Checkpoints(folder, 2).rounds
    assert not (folder / "flower.log").exists()


def _wait_for_rounds(folder: Path, rounds: int, process: subprocess.Popen[str]) -> None:
    metrics, latest = folder / "metrics.jsonl", time.monotonic() + LATEST
    while not metrics.is_file() or metrics.read_bytes().count(b"\n") < rounds:
        assert process.poll() is None, "the run ended by itself"
        assert time.monotonic() < latest, "no rounds"
        time.sleep(0.05)
