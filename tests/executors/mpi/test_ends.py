"""How jobs end: with one exit code, what went wrong said once, and nobody left behind."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.executors.mpi.launchers import Launcher, end, launchers, signalled

pytestmark = pytest.mark.parametrize("launcher", launchers(), ids=lambda launcher: launcher.mpirun)
QUICK = 5.0
"""Seconds in which a failed job must have ended."""
FAILURES = {
    "settings_wrong": (2, "configuration: rounds=two"),
    "server_breaks": (1, "RuntimeError: nobody catches this"),
    "server_breaks_early": (1, "RuntimeError: nobody catches this"),
    "worker_tells": (1, "ValueError: told by the loop"),
    "workers_break": (1, "RuntimeError: nobody catches this"),
    "workers_leave": (1, "SystemExit: 0"),
    "nobody_listens": (1, "RuntimeError: nobody catches this"),
    "unequal": (2, "pip install 'fedkd[mpi]'"),
}
SAMPLE = ("workers_break",)
REST = [pytest.param(name, marks=pytest.mark.exhaustive) for name in FAILURES if name not in SAMPLE]


@pytest.mark.parametrize("scenario", [*SAMPLE, *REST])
def test_failure_ends_the_job_and_is_said_once(launcher: Launcher, scenario: str, tmp_path: Path) -> None:
    ended = end(launcher.start(3, scenario, tmp_path), tmp_path)
    code, text = FAILURES[scenario]
    assert ended.code == code
    assert ended.seconds < QUICK
    assert sum(line.endswith(text) for line in ended.text.splitlines()) == 1, ended.text


SIGNALS = [
    ("works", 1, signal.SIGINT),
    ("works", 1, signal.SIGTERM),
    ("works", 0, signal.SIGINT),
    ("waits", 0, signal.SIGTERM),
]
MARKED = [("waits", 1, signal.SIGINT), *(pytest.param(*case, marks=pytest.mark.exhaustive) for case in SIGNALS)]


@pytest.mark.parametrize(("scenario", "rank", "number"), MARKED)
def test_signal_to_any_rank_interrupts_the_job(
    launcher: Launcher, scenario: str, rank: int, number: signal.Signals, tmp_path: Path
) -> None:
    ended = signalled(launcher.start(2, scenario, tmp_path), rank, number, tmp_path)
    assert ended.code == 128 + number
    assert ended.seconds < QUICK
    assert ended.text.splitlines().count("interrupted") == 1


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_to_mpirun_ends_the_job(launcher: Launcher, number: signal.Signals, tmp_path: Path) -> None:
    ended = signalled(launcher.start(2, "works", tmp_path), None, number, tmp_path)
    assert ended.code == (1 if launcher.open_mpi else 128 + number)  # Open MPI kills the ranks after half a second.
    assert ended.seconds < QUICK
    assert "Traceback" not in ended.text


@pytest.mark.exhaustive
@pytest.mark.parametrize("rank", [0, 1])
def test_killed_rank_ends_the_job(launcher: Launcher, rank: int, tmp_path: Path) -> None:
    ended = signalled(launcher.start(2, "works", tmp_path), rank, signal.SIGKILL, tmp_path)
    assert ended.code != 0
    assert ended.seconds < QUICK
