"""Seconds a round, CPU seconds and memory of fedkd beside other simulators that do the same work.

    python benchmarks/peers/run.py [--models cnn mlp] [--rows pfl ...] [--passes 3] [--rounds 12] [--out FILE.json]

100 clients x 100 samples of 28x28, cohort 10, batch 20, one local epoch, SGD .05; the FedAvg CNN (1,663,370
parameters) and an MLP 784-200-200-10 (199,210). Data, first model, cohorts and the order of every client's samples are
drawn once from fedkd's keys and given to all rows: all but the compressed one must have the same loss after two rounds,
and nearly the same in the end (float32 sums are taken in other orders, and the CNN's training makes much of that).
Three rounds before do not count. Every row is processes of its own, in an environment of its own (environments.py), and
the rows run in turn, pass after pass. A column is the median of the passes: of their median rounds, of their CPU
seconds a round, of their most memory (PSS of all processes of the row). The MLP has four times as many rounds as the
CNN.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import environments
import family
from machine import machine
from rows import HERE, ROWS, Row
from table import Measured, lines, show, strangers

ROUNDS_A_ROUND = {"cnn": 1, "mlp": 4}
WARM_UP, LIMIT, EVERY = 3, 1800.0, 0.25
"""Rounds; seconds that a row may take; seconds between two looks at its memory."""
QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


@dataclass(frozen=True)
class Bench:
    """The work of one model.

    This process never loads torch: what it mapped would not be counted in full with the rows, whose memory it reads.

    Args:
        folder: for the work and what the rows leave behind.
        rounds: that count.
    """

    model: str
    folder: Path
    rounds: int

    @property
    def work(self) -> Path:
        """The file that all rows read."""
        return self.folder / f"{self.model}.npz"

    def write(self) -> None:
        """Draw the work."""
        sizes = ("--rounds", str(WARM_UP + self.rounds), "--warm-up", str(WARM_UP))
        self._own("write.py", self.model, str(self.work), *sizes)

    def run(self, row: Row) -> Measured:
        """One pass of a row.

        Raises:
            RuntimeError: it failed; with the last line that it said.
        """
        out, said = self.folder / "row.json", self.folder / "said.txt"
        out.unlink(missing_ok=True)
        command = row.command(environments.python(row.environment), (str(self.work), str(out), str(os.getpid())))
        with said.open("w") as log:
            process = subprocess.Popen(command, env=_variables(row), stdout=log, stderr=log, cwd=self.folder)
            memory = _watched(process)
        if process.returncode or not out.is_file():
            last = said.read_text(errors="replace").strip().rpartition("\n")[2]
            raise RuntimeError(f"exit code {process.returncode}: {last[-300:]}")
        early, loss = json.loads(self._own("losses.py", str(self.work), "early.npy", "final.npy"))
        return Measured(memory=memory, early=early, loss=loss, **json.loads(out.read_text()))

    def _own(self, script: str, *arguments: str) -> str:
        command = [sys.executable, str(HERE / script), *arguments]
        variables = _variables(ROWS[0])
        return subprocess.run(
            command, check=True, env=variables, stdout=subprocess.PIPE, text=True, cwd=self.folder
        ).stdout


def _variables(row: Row) -> dict[str, str]:
    """The environment of a row's processes; what fedkd's row and Ray's actors import lies here."""
    threads = {name: str(row.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    paths = (HERE, HERE.parent) if row.environment == environments.OWN else (HERE,)
    return os.environ | threads | QUIET | {"PYTHONPATH": os.pathsep.join(map(str, paths))}


def _watched(process: subprocess.Popen[bytes]) -> float:
    """The most memory of a row in MiB, until it ends; one that takes too long, or is stopped with us, is ended."""
    most, end = 0.0, time.monotonic() + LIMIT
    try:
        while process.poll() is None and time.monotonic() < end:
            most = max(most, family.memory(os.getpid()))
            time.sleep(EVERY)
    finally:
        for pid in [*family.descendants(process.pid), process.pid] if process.poll() is None else []:
            os.kill(pid, signal.SIGKILL)
        process.wait()
    return most


def measure(bench: Bench, rows: Sequence[Row], passes: int) -> tuple[dict[str, list[Measured]], list[str]]:
    """All passes, and what went wrong; a row that has failed is not tried again."""
    found: dict[str, list[Measured]] = {row.name: [] for row in rows}
    failed: dict[str, str] = {}
    bench.write()
    for number in range(passes):
        for row in rows:
            if row.name in failed:
                continue
            try:
                found[row.name].append(bench.run(row))
            except (RuntimeError, subprocess.CalledProcessError) as error:
                failed[row.name] = f"{row.name} failed: {error}"
            told = failed.get(row.name) or f"{median(found[row.name][-1].seconds):.4f} s"
            print(f"{bench.model}, pass {number + 1} of {passes}: {row.name}: {told}", file=sys.stderr, flush=True)
    return found, [*failed.values(), *strangers(found, [row.name for row in rows if row.exact])]


def _versions(rows: Sequence[Row]) -> Iterator[tuple[str, dict[str, str]]]:
    for name in dict.fromkeys(row.environment for row in rows):
        try:
            yield name, environments.versions(name)
        except subprocess.CalledProcessError as error:
            yield name, {"": str(error)}


def main() -> int:
    """Print the tables; 1 when a row failed or did other work."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=list(ROUNDS_A_ROUND), default=list(ROUNDS_A_ROUND))
    parser.add_argument("--rows", nargs="+", choices=[row.name for row in ROWS], default=[row.name for row in ROWS])
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=12, help="of the CNN")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = [row for row in ROWS if row.name in options.rows]
    results: dict[str, Any] = {"machine": machine(), "versions": dict(_versions(rows)), "tables": {}, "passes": {}}
    complaints = []
    with tempfile.TemporaryDirectory() as folder:
        for model in options.models:
            bench = Bench(model, Path(folder), options.rounds * ROUNDS_A_ROUND[model])
            found, wrong = measure(bench, rows, options.passes)
            results["tables"][model] = [asdict(line) for line in lines(found)]
            results["passes"][model] = {name: [asdict(one) for one in some] for name, some in found.items()}
            show(f"{model}: medians of {options.passes} passes of {bench.rounds} rounds", lines(found))
            complaints += [f"{model}: {text}" for text in wrong]
    if options.out:
        options.out.write_text(json.dumps(results, indent=1))
    print("\n" + "\n".join(complaints or ["all rows that must be equal did the same work"]))
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
