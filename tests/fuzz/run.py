"""Fuzz everything that reads received bytes: ``python tests/fuzz/run.py --executions 1000000``.

Fails on any exception but WireError, on an input that takes ten seconds, and on memory beyond the bound of
``memory.bound``: each process watches how it grows, and every input that was kept is run again with its memory traced.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from fedkd_compression import kernels
from tests.fuzz import memory

SHARES = (
    ("frames", "numba", 0.24),
    ("frames", "numba", 0.24),
    ("payloads", "numpy", 0.01),
    ("payloads", "numba", 0.25),
    ("frames", "numpy", 0.01),
    ("tables", "numba", 0.1),
    ("chunks", "numba", 0.09),
    ("tables", "numpy", 0.01),
    ("sums", "numba", 0.02),
    ("parcels", "numba", 0.03),
)
"""Harness, kernels and share of the executions of each process; the portable kernels are slow, but instrumented."""


@dataclass(frozen=True)
class Job:
    """What one process does.

    Args:
        harness: module of this folder.
        backend: set of kernels.
        executions: how many inputs.
        seed: of the fuzzer.
        folder: inputs to start from; those that reach something new are added.
    """

    harness: str
    backend: str
    executions: int
    seed: int
    folder: Path


def jobs_of(executions, seed, folder):
    """The jobs, longest first, each with its inputs to start from."""
    jobs = []
    for i, (harness, backend, share) in enumerate(SHARES):
        own = folder / f"{i}-{harness}-{backend}"
        own.mkdir()
        for place, data in enumerate(import_module(f"tests.fuzz.{harness}").corpus()):
            (own / f"start-{place:03}").write_bytes(data)
        jobs.append(Job(harness, backend, round(executions * share), seed + i + 1, own))
    return jobs


def run(job):
    """Run one process; its seconds and executions.

    Raises:
        RuntimeError: an input failed; the message ends with what the process said.
    """
    start = time.perf_counter()
    arguments = [job.harness, job.backend, str(job.executions), str(job.seed), str(job.folder)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.worker", *arguments],
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode:
        failed = [f"{path.name}: {path.read_bytes().hex()}" for path in job.folder.glob("failed-*")]
        raise RuntimeError("\n".join((f"{job}", (done.stdout + done.stderr)[-6000:], *failed)))
    counted = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    return time.perf_counter() - start, int(counted[1]) if counted else job.executions


def peak_of(job):
    """The largest traced peak of the inputs that were kept, in bytes, and how many they are.

    Raises:
        RuntimeError: it is beyond the bound.
    """
    harness, peak = import_module(f"tests.fuzz.{job.harness}"), 0
    paths = sorted(job.folder.iterdir())
    with kernels.use(job.backend):
        for path in paths:
            data = path.read_bytes()
            harness.one_input(data)
            peak = max(peak, memory.traced(lambda data=data: harness.one_input(data)))
    if peak > bound_of(job):
        raise RuntimeError(f"{job}: a peak of {peak} bytes; {bound_of(job)} are allowed")
    return peak, len(paths)


def bound_of(job):
    """The most that an input may take, in bytes."""
    return memory.bound(import_module(f"tests.fuzz.{job.harness}").largest())


def main():
    """Fuzz, and say how much was done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--executions", type=int, default=1_000_000, help="inputs in all (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all choices (%(default)s)")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="processes at a time (%(default)s)")
    options = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.cores) as pool:
        jobs = jobs_of(options.executions, options.seed, Path(folder))
        total = 0
        for job, (seconds, executions) in zip(jobs, pool.map(run, jobs), strict=True):
            total += executions
            peak, kept = peak_of(job)
            say(f"{job.harness} {job.backend}: {executions:,} executions, {executions / seconds:,.0f} a second")
            say(f"    {kept} inputs kept, traced peak {peak:,} bytes, {bound_of(job):,} allowed")
    seconds = time.perf_counter() - start
    say(f"{total:,} executions in {seconds:.0f} s, {total / seconds:,.0f} a second; no fault")


def say(line):
    """One line of the report."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
