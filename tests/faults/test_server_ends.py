"""The server's process is killed or interrupted: no worker stays behind, and what was reached can be resumed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from fedkd.records import read_reports
from tests.e2e.runs import SUPERVISED, command, manifest_of, resume, rounds_of, run
from tests.faults.children import children, forked, gone
from tests.faults.trainers import PAUSE, faulty

pytestmark = pytest.mark.e2e

WORKERS = 2
ALONE = (*SUPERVISED, "algorithm=rand_mcm")
RUN = (*ALONE, "rounds=100000", "executor=processes", f"executor.workers={WORKERS}")
PATIENCE = 90.0
"""Seconds until a run must have done a few rounds, on a machine that does much else."""


def test_a_killed_server_takes_its_workers_along(tmp_path: Path) -> None:
    server = forked(lambda: run(tmp_path / "cut", RUN))
    workers = _workers(server, tmp_path / "cut", 3)
    os.kill(server, signal.SIGKILL)
    os.waitpid(server, 0)
    assert gone(workers, 5.0)
    _assert_resumable(tmp_path / "cut", tmp_path / "whole")


def test_workers_of_a_killed_server_do_not_end_their_clients_first(tmp_path: Path) -> None:
    asleep = faulty("raises", 2, 99, others_wait=True)
    server = forked(lambda: run(tmp_path, [*RUN, *asleep]))
    workers = _workers(server, tmp_path, 2)
    time.sleep(0.5)  # The third round begins.
    os.kill(server, signal.SIGKILL)
    os.waitpid(server, 0)
    assert gone(workers, PAUSE / 4)


def test_ctrl_c_ends_server_and_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As a terminal does it: every process of the group hears it."""
    folder = tmp_path / "cut"
    server = forked(lambda: command(monkeypatch, *RUN, f"folder={tmp_path}", "name=cut"))
    workers = _workers(server, folder, 3)
    os.killpg(server, signal.SIGINT)
    _, status = os.waitpid(server, 0)
    manifest = manifest_of(folder)
    assert os.waitstatus_to_exitcode(status) == 130
    line = f"interrupted after round {manifest['rounds_done']}; continue with resume={folder}\n"
    assert capfd.readouterr() == ("", line)
    assert (manifest["reason"], manifest["rounds_done"] >= 3) == ("interrupted", True)
    assert gone(workers, 5.0)
    _assert_resumable(folder, tmp_path / "whole")


def test_ctrl_c_right_after_the_fork_is_not_the_childs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fork = os.fork

    def fork_interrupted() -> int:
        process = fork()
        if process == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return process

    monkeypatch.setattr(os, "fork", fork_interrupted)
    outcome = run(tmp_path, [*RUN, "rounds=2"])
    assert (outcome.reason, outcome.rounds) == ("finished", 2)


def _workers(server: int, folder: Path, rounds: int) -> list[int]:
    """The server's workers, once it has done some rounds."""
    metrics, latest = folder / "metrics.jsonl", time.monotonic() + PATIENCE
    while not metrics.is_file() or metrics.read_bytes().count(b"\n") < rounds:
        assert time.monotonic() < latest, f"no {rounds} rounds after {PATIENCE:g} seconds"
        time.sleep(0.02)
    workers = children(server)
    assert len(workers) == WORKERS
    return workers


def _assert_resumable(cut: Path, folder: Path) -> None:
    """Two rounds more give what a run gives that nothing happened to."""
    rounds = len(read_reports(cut)) + 2
    whole = run(folder, [*ALONE, f"rounds={rounds}"])
    assert resume(cut, rounds).model_sha256 == whole.model_sha256
    assert rounds_of(cut) == rounds_of(folder)
