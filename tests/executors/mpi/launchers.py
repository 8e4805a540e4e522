"""The mpirun that tests start, and what it leaves behind."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = Path(__file__).parents[3]
ENOUGH = 40.0
"""Seconds after which a job hangs."""


@dataclass(frozen=True)
class Launcher:
    """An mpirun, and the Python whose mpi4py belongs to it."""

    mpirun: str
    python: str

    @property
    def open_mpi(self) -> bool:
        done = subprocess.run([self.mpirun, "--version"], capture_output=True, text=True, check=False)
        return "Open MPI" in done.stdout

    def start(self, ranks: int, scenario: str, folder: Path, *options: str) -> subprocess.Popen[str]:
        """Ranks that play a scenario."""
        if self.open_mpi:
            options = ("--allow-run-as-root", "--oversubscribe", *options)
        script = [self.python, str(HERE / "echo.py"), scenario, str(folder)]
        path = os.pathsep.join(map(str, (ROOT, ROOT / "compression")))
        return subprocess.Popen(
            [self.mpirun, *options, "-n", str(ranks), *script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": path},
        )


def launchers() -> list[Launcher]:
    """That of this environment, and Open MPI's where FEDKD_OPENMPI names it; none without mpi4py."""
    beside = Path(sys.executable).parent / "mpirun"
    mpirun = str(beside) if beside.is_file() else shutil.which("mpirun")
    found = [Launcher(mpirun, sys.executable)] if mpirun and importlib.util.find_spec("mpi4py") else []
    if other := os.environ.get("FEDKD_OPENMPI"):
        python = Path(other).parent / "python"
        found.append(Launcher(other, str(python) if python.is_file() else sys.executable))
    return found


@dataclass(frozen=True)
class Ended:
    """How a job ended: exit code, error stream, and the seconds since rank 0 told what it found."""

    code: int
    text: str
    seconds: float


def end(job: subprocess.Popen[str], folder: Path) -> Ended:
    """Wait for it; what it started must be gone, too."""
    try:
        _, text = job.communicate(timeout=ENOUGH)
    except subprocess.TimeoutExpired:
        for pid in processes(folder):
            os.kill(int(pid), signal.SIGKILL)
        raise AssertionError(f"hangs: {job.communicate()}") from None
    seconds = time.time() - (folder / "found.json").stat().st_mtime
    deadline = time.monotonic() + 5
    while (left := processes(folder)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left
    return Ended(job.returncode, text, seconds)


def signalled(job: subprocess.Popen[str], rank: int | None, number: signal.Signals, folder: Path) -> Ended:
    """How a job ends once a rank of it, or mpirun itself, has got a signal."""
    while not (found := folder / "found.json").exists() and job.poll() is None:
        time.sleep(0.02)
    assert found.exists(), job.communicate()
    os.kill(job.pid if rank is None else json.loads(found.read_text())["ranks"][rank], number)
    os.utime(found)
    return end(job, folder)


def processes(folder: Path) -> list[str]:
    """Processes with this folder on their command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in line:
            found.append(process.name)
    return found
