"""A run of thousands of rounds ends as it began: no memory, no file and no process is added round by round."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedkd import job
from tests.e2e.runs import ROOT, run
from tests.faults.children import children, gone

pytestmark = [pytest.mark.e2e, pytest.mark.soak, pytest.mark.slow]

RUN = (
    "task=least_squares",
    "clients=4",
    "data.dim=10",
    "data.samples_per_client=20",
    "algorithm=mcm",
    "checkpoint_every=1",
    "recorder=quiet",
)
EXECUTORS = {"local": ("executor=local",), "processes": ("executor=processes", "executor.workers=2")}
ROUNDS, WINDOW, SEEN = 2000, 50, "seen.jsonl"
MOST = 1024.0
"""Bytes a round by which a process may grow in the second half: the median of windows, since heaps grow in steps."""


@pytest.mark.parametrize("executor", EXECUTORS)
def test_nothing_grows(executor: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.faults.test_soak", str(tmp_path), executor]
    # A process of its own: one that is forked here would fill the holes that other tests have left.
    with subprocess.Popen(command, cwd=ROOT) as process:
        server = process.pid
    assert process.returncode == 0
    seen = [json.loads(line) for line in (tmp_path / SEEN).read_text().splitlines()]
    workers = [int(process) for process in seen[0] if process != str(server)]
    assert (len(seen), len(workers)) == (ROUNDS, 2 if executor == "processes" else 0)
    assert gone(workers, 0.0)
    for process in map(str, (server, *workers)):
        resident, files = zip(*(moment[process] for moment in seen[ROUNDS // 2 :]), strict=True)
        slope = float(np.median(np.diff(resident[::WINDOW]))) / WINDOW
        print(f"{executor} {process}: {slope:.0f} bytes a round, {set(files)} files")  # noqa: T201
        assert slope < MOST
        assert len({moment[process][1] for moment in seen[10:]}) == 1


def _watched(folder: Path, overrides: list[str]) -> None:
    """Run, and note after every checkpoint what each process holds: in a file, for this one must not grow."""
    commit = job._commit

    def committed(*given: Any) -> None:
        commit(*given)
        moment = {process: (_resident(process), _files(process)) for process in [os.getpid(), *children(os.getpid())]}
        with (folder / SEEN).open("a") as file:
            file.write(json.dumps(moment) + "\n")

    job._commit = committed
    outcome = run(folder, overrides)
    assert outcome.reason == "finished"
    assert not children(os.getpid())


def _resident(process: int) -> int:
    """Bytes of VmRSS."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    [line] = (line for line in lines if line.startswith("VmRSS:"))
    return 1024 * int(line.split()[1])


def _files(process: int) -> int:
    return len(os.listdir(f"/proc/{process}/fd"))  # noqa: PTH208


if __name__ == "__main__":
    _watched(Path(sys.argv[1]), [*RUN, *EXECUTORS[sys.argv[2]], f"rounds={ROUNDS}"])
