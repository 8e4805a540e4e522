"""Seconds a round and memory of a whole job, against the number of clients of which 1,000 take part.

    python benchmarks/population.py [--rounds 8] [--clients 1000 10000 100000] [--touch 100000] [--out FILE.json]

Jobs of the command line: 100,000 samples of 28x28 (noise) dealt evenly, so 100 to 1 a client; of these a client trains
on one, so that it has the same to do in every population. MLP 784-32-10 (25,450 parameters), MCM r = 1, sums added up
by two local workers, memories in a folder, a checkpoint after every round. ``--touch`` adds a job in which so many
clients all take part, with an MLP of 10,345 parameters: all their memories exist.

Memory is the sum of PSS over the job's processes, so that a page that several share counts once; the page cache is
not in it. CPU seconds count whatever the job's processes do.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

SAMPLES, COHORT, WORKERS = 100_000, 1_000, 2
COMMAND = Path(__file__).parents[1] / "sims" / "run.py"
COMMON = (
    "data=npz",
    "partitioner=iid",
    "task=supervised",
    "trainer.epochs=1",
    "trainer.batch_size=1",
    "trainer.batches=1",
    "solver.momentum=0",
    "executor=processes",
    f"executor.workers={WORKERS}",
    "store=folder",
    "recorder=quiet",
    "evaluate_every=1000000",
)
EVERY = 0.2
"""Seconds between two looks at the memory."""
ROUNDS, END = "metrics.jsonl", "manifest.json"


@dataclass
class Watch:
    """What a job and its descendants have used, as seen from outside, between its first and its last round.

    Args:
        lines: a file with a line for every round that is done.
        rounds: how many there will be.

    Attributes:
        most: memory in MiB, during the rounds and at any time.
        cpu: CPU seconds until then, by the number of lines.
    """

    lines: Path
    rounds: int
    most: dict[str, float] = field(default_factory=lambda: {"rounds": 0.0, "ever": 0.0})
    cpu: dict[int, float] = field(default_factory=dict)

    def look(self, pid: int) -> None:
        """Add up what the processes have now."""
        done = self.lines.read_bytes().count(b"\n") if self.lines.is_file() else 0
        processes = list(family(pid))
        now = sum(map(resident, processes))
        for phase in ("rounds", "ever") if 0 < done < self.rounds else ("ever",):
            self.most[phase] = max(self.most[phase], now)
        self.cpu.setdefault(done, sum(map(spent, processes)))

    @property
    def cpu_a_round(self) -> float:
        """Of the rounds between the first and the last, after which workers end; NaN where there is none."""
        ends = [done for done in self.cpu if 0 < done < self.rounds]
        first, last = min(ends, default=0), max(ends, default=0)
        return (self.cpu[last] - self.cpu[first]) / (last - first) if last > first else math.nan


def family(pid: int) -> Iterator[int]:
    """A process and its descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from family(int(child))


def resident(pid: int) -> float:
    """PSS of a process in MiB; 0 of one that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def spent(pid: int) -> float:
    """CPU seconds of a process so far; 0 of one that has ended."""
    try:
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return 0.0
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def samples(path: Path) -> None:
    """Noise, and labels that it does not explain."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 2, (SAMPLES, 28, 28), np.uint8)
    y = generator.integers(0, 10, SAMPLES)
    np.savez(path, x=x, y=y, x_test=x[:100], y_test=y[:100])


def job(folder: Path, name: str, rounds: int, overrides: Sequence[str]) -> dict[str, float | str]:
    """Run a job, watch it, and read what it has left behind."""
    arguments = [*COMMON, f"data.path={folder / 'noise.npz'}", f"folder={folder}", f"name={name}", f"rounds={rounds}"]
    watch = Watch(folder / name / ROUNDS, rounds)
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, str(COMMAND), *arguments, *overrides])
    while process.poll() is None:
        watch.look(process.pid)
        time.sleep(EVERY)
    assert process.returncode == 0, f"{name}: exit code {process.returncode}"
    wall = time.perf_counter() - began
    seconds = [json.loads(line)["seconds"] for line in watch.lines.read_text().splitlines()]
    total = json.loads((folder / name / END).read_text())["seconds"]
    return {
        "row": name,
        "seconds": statistics.median(seconds[1:] or seconds),
        "first": seconds[0],
        "cpu": watch.cpu_a_round,
        "between": (total - sum(seconds)) / len(seconds),
        "outside": wall - total,
        "memory": watch.most["rounds"],
        "most": watch.most["ever"],
    }


def show(line: dict[str, float | str]) -> None:
    """One line of the table."""
    print(
        "{row:>15} {seconds:8.3f} s a round (first {first:.3f}; CPU {cpu:.3f}) + {between:6.3f} s between; "
        "{outside:5.1f} s before and after; PSS {memory:6.0f} MiB in rounds, {most:6.0f} MiB at most".format(**line),
        flush=True,
    )


def main() -> None:
    """Print a line a job."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--clients", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--touch", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    fixed = ("participation=fixed", f"participation.size={COHORT}")
    jobs = {f"clients-{count}": (options.rounds, (f"clients={count}", *fixed)) for count in options.clients}
    if options.touch:
        everyone = (f"clients={options.touch}", "participation=full", "model.hidden=[13]")
        jobs[f"all-{options.touch}"] = (2, everyone)
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        samples(Path(folder) / "noise.npz")
        for name, (rounds, overrides) in jobs.items():
            lines.append(job(Path(folder), name, rounds, overrides))
            show(lines[-1])
    if options.out:
        options.out.write_text(json.dumps(lines, indent=1))


if __name__ == "__main__":
    main()
