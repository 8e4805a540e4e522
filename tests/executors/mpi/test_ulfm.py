"""Open MPI started with --with-ft ulfm survives the death of a worker; see FEDKD_OPENMPI in launchers.py."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.executors.mpi.launchers import Launcher, end, launchers, signalled

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.parametrize("launcher", [launcher for launcher in launchers() if launcher.open_mpi]),
]
SURVIVING = ("--with-ft", "ulfm")


def test_job_goes_on_without_a_killed_worker(launcher: Launcher, tmp_path: Path) -> None:
    ended = end(launcher.start(3, "goes_on", tmp_path, *SURVIVING), tmp_path)
    found = json.loads((tmp_path / "found.json").read_text())
    assert found == {"died": [0, None, "(rank 1) died"], "replaced": False, "other": True, "left": 2, "next": True}
    assert ended.code == 0


def test_job_ends_with_a_killed_rank_0(launcher: Launcher, tmp_path: Path) -> None:
    ended = signalled(launcher.start(3, "waits", tmp_path, *SURVIVING), 0, signal.SIGKILL, tmp_path)
    assert ended.code != 0
    assert "rank 0 died" in ended.text
    assert ended.seconds < 5
