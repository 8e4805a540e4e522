"""The command line under mpirun: the bits of one process, mistakes and failures said once, ends that leave nobody."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from fedkd.records import read_reports
from tests.e2e.runs import RESSL, ROOT, SUPERVISED, TINY, manifest_of, resume, rounds_of, run
from tests.executors.mpi.launchers import launchers, processes
from tests.faults.children import gone
from tests.faults.trainers import faulty

MPIRUN = next((launcher.mpirun for launcher in launchers() if launcher.python == sys.executable), None)
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.exhaustive,
    pytest.mark.skipif(MPIRUN is None, reason="no mpirun, or no mpi4py"),
]

RUN = (*SUPERVISED, "clients=5", "rounds=3", "algorithm=rand_mcm")
AUTO = "executor=auto"
QUICK, PATIENCE = 30.0, 120.0
"""Seconds, on a busy machine, in which a job ends after a failure (two on an idle one), and in which it gets so far."""


@dataclass(frozen=True)
class Ended:
    """How a job ended."""

    code: int
    out: str
    text: str


def started(ranks: int, overrides: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    """A job whose processes have the folder on their command line; a resumed one keeps its own."""
    where = [] if overrides[0].startswith("resume=") else [f"folder={folder}"]
    command = [str(MPIRUN), "-n", str(ranks), sys.executable, "sims/run.py", *where, *overrides]
    path = os.pathsep.join(map(str, (ROOT, ROOT / "compression")))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=ROOT, text=True, env=os.environ | {"PYTHONPATH": path}, **pipes)


def ended(job: subprocess.Popen[str], folder: Path, seconds: float = PATIENCE) -> Ended:
    """The job's end, in so many seconds, with all its processes."""
    try:
        out, text = job.communicate(timeout=seconds)
    finally:
        job.kill()
    assert gone([int(process) for process in processes(folder)], QUICK)
    return Ended(job.returncode, out, text)


def after_rounds(job: subprocess.Popen[str], folder: Path, rounds: int) -> None:
    """Wait until so many rounds are done."""
    metrics, latest = folder / "metrics.jsonl", time.monotonic() + PATIENCE
    while not metrics.is_file() or metrics.read_bytes().count(b"\n") < rounds:
        assert job.poll() is None, "the job ended by itself"
        assert time.monotonic() < latest, f"no {rounds} rounds after {PATIENCE:g} seconds"
        time.sleep(0.05)


def test_a_sweep_gives_the_bits_of_one_process(tmp_path: Path) -> None:
    sweep = [*RUN, AUTO, "seed=0,1", "name='of-${seed}'", "reduce_from=1", "-m"]
    assert ended(started(2, sweep, tmp_path), tmp_path) == Ended(0, "", "")
    for seed in (0, 1):
        alone = run(tmp_path / f"alone-{seed}", [*RUN, f"seed={seed}"])
        manifest = manifest_of(tmp_path / f"of-{seed}")
        assert (manifest["reason"], manifest["model_sha256"]) == ("finished", alone.model_sha256)
        assert rounds_of(tmp_path / f"of-{seed}") == rounds_of(tmp_path / f"alone-{seed}")
        assert len(manifest["facts"]["workers"]) == 2


def test_a_server_that_only_serves_gives_them_too(tmp_path: Path) -> None:
    """The main job: what the teacher has learned travels to the ranks."""
    job = started(3, [*TINY, AUTO, "executor.server_trains=false", "store=memory", "name=ranks"], tmp_path)
    assert ended(job, tmp_path) == Ended(0, "", "")
    manifest = manifest_of(tmp_path / "ranks")
    assert len(manifest["facts"]["workers"]) == 2
    assert run(tmp_path / "alone", TINY).model_sha256 == manifest["model_sha256"]
    assert rounds_of(tmp_path / "ranks") == rounds_of(tmp_path / "alone")


def test_teachers_and_queues_stay_with_their_clients(tmp_path: Path) -> None:
    overrides = [*RESSL, "rounds=3", "participation=bernoulli"]
    assert ended(started(2, [*overrides, AUTO, "store=memory", "name=ranks"], tmp_path), tmp_path) == Ended(0, "", "")
    assert run(tmp_path / "alone", overrides).model_sha256 == manifest_of(tmp_path / "ranks")["model_sha256"]
    assert rounds_of(tmp_path / "ranks") == rounds_of(tmp_path / "alone")


def test_a_mistake_is_said_once(tmp_path: Path) -> None:
    job = ended(started(2, [*RUN, AUTO, "algoritm=mcm"], tmp_path), tmp_path)
    assert job.code == 2
    assert job.text == "configuration: algoritm: unknown key; did you mean algorithm?\n"


def test_a_client_that_fails_is_told_of_once(tmp_path: Path) -> None:
    overrides = [*RUN, AUTO, "executor.server_trains=false", *faulty("raises", 1, 2), "name=x"]
    job = started(2, overrides, tmp_path)
    after_rounds(job, tmp_path / "x", 1)
    end = ended(job, tmp_path, QUICK)
    said = end.text.splitlines()
    assert end.code == 1
    assert end.text.count("Traceback") == 1
    assert re.fullmatch(r"client 2, round 1, worker 0 on \S+ \(cpu\): ValueError: this sample cannot be read", said[-1])
    assert manifest_of(tmp_path / "x")["message"] == said[-1]


def test_a_killed_rank_ends_the_job_and_ctrl_c_does_and_both_can_be_resumed(tmp_path: Path) -> None:
    folder, endless = tmp_path / "cut", [*RUN, AUTO, "rounds=100000", "name=cut"]
    job = started(2, endless, tmp_path)
    after_rounds(job, folder, 3)
    os.kill(max(map(int, set(processes(tmp_path)) - {str(job.pid)})), signal.SIGKILL)
    assert ended(job, tmp_path, QUICK).code != 0
    reached = len(read_reports(folder))
    job = started(2, [f"resume={folder}", AUTO], tmp_path)
    after_rounds(job, folder, reached + 3)
    job.send_signal(signal.SIGINT)
    end = ended(job, tmp_path, QUICK)
    assert (end.code, "Traceback" in end.text) == (130, False)
    rounds = len(read_reports(folder)) + 1
    whole = run(tmp_path / "whole", [*RUN, f"rounds={rounds}"])
    assert resume(folder, rounds, "executor=local").model_sha256 == whole.model_sha256
    assert rounds_of(folder) == rounds_of(tmp_path / "whole")
