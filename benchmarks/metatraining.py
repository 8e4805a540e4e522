"""How much faster two MPI ranks meta-train than one, and whether they find the same gradient of theta.

    python benchmarks/metatraining.py [--families digits,digits,digits,digits] [--particles 16] [--steps 30] [--out F]

The training of ``sims/metatrain.py``, started under ``mpirun -n 1`` and under ``mpirun -n 2``, one thread a rank, from
the same seed; four groups of particles are divided among the ranks. Both jobs are there all the time and take turns,
step by step, so that a ratio holds on a machine whose speed drifts. A step is one truncation of all particles, what
ranks tell each other, and AdamW's step. The speed-up is the median of the steps' ratios; the gradients of both are
compared number by number.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peers.machine import machine

from fedkd.executors import mpi
from fedkd.metatraining.terms import Terms
from fedkd.metatraining.training import MetaTraining

RANKS, WARM_UP, AS_RANK = (1, 2), 2, "--rank"
"""Steps that do not count."""


class Job:
    """A training under mpirun, which waits for a line before each step.

    Args:
        ranks: how many.
        terms: of the training; families and particles differ from the defaults.
    """

    def __init__(self, ranks: int, terms: Terms) -> None:
        options = [AS_RANK, "--families", ",".join(terms.families), "--particles", str(terms.particles)]
        launcher = [str(Path(sys.executable).with_name("mpirun")), "-n", str(ranks)]
        self._job = subprocess.Popen(
            [*launcher, sys.executable, __file__, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.seconds: list[float] = []
        self.gradients: list[list[float]] = []

    def step(self) -> None:
        """Rank 0 answers with the step's seconds and its gradient."""
        assert self._job.stdin is not None
        assert self._job.stdout is not None
        self._job.stdin.write("\n")
        self._job.stdin.flush()
        seconds, gradient = json.loads(self._job.stdout.readline())
        self.seconds.append(seconds)
        self.gradients.append(gradient)

    def close(self) -> None:
        """No more lines: the ranks leave."""
        self._job.communicate()
        assert self._job.returncode == 0, f"a job ended with exit code {self._job.returncode}"


def rank(world: mpi.World, terms: Terms) -> int:
    """A rank of a job."""
    torch.set_num_threads(1)
    ranks = mpi.Collective(world)
    training = MetaTraining(terms, ranks)
    while _goes_on(ranks):
        began = time.perf_counter()
        estimate, _ = training.estimated()
        training.learner.move(estimate)
        if world.rank == 0:
            print(json.dumps([time.perf_counter() - began, estimate.tolist()]), flush=True)
    while world.line() is not None:
        pass
    return 0


def _goes_on(ranks: mpi.Collective) -> bool:
    """Whether rank 0 has got a line; the others wait for its word, so that none of them begins early."""
    line = sys.stdin.readline() if ranks.rank == 0 else ""
    return bool(ranks.gathered(np.full(1, bool(line), np.uint8))[0][0])


def measure(terms: Terms, steps: int) -> dict[str, Any]:
    """Both jobs in turn; what is told of them."""
    jobs = [Job(ranks, terms) for ranks in RANKS]
    for _ in range(WARM_UP + steps):
        for job in jobs:
            job.step()
    for job in jobs:
        job.close()
    alone, both = (job.seconds[WARM_UP:] for job in jobs)
    ratios = [one / other for one, other in zip(alone, both, strict=True)]
    gradients = [np.array(job.gradients) for job in jobs]
    return {
        "seconds": {
            str(ranks): statistics.median(job.seconds[WARM_UP:]) for ranks, job in zip(RANKS, jobs, strict=True)
        },
        "speed-up": statistics.median(ratios),
        "ratios": ratios,
        "largest gradient": float(np.abs(gradients[0]).max()),
        "largest difference": float(np.abs(gradients[0] - gradients[1]).max()),
    }


def show(found: Mapping[str, Any]) -> None:
    """Print it."""
    one, two = found["seconds"].values()
    print(f"one rank {one:.3f} s a step, two ranks {two:.3f} s: {found['speed-up']:.2f} times as fast")
    print(f"gradients differ by {found['largest difference']:.1e} at most, of {found['largest gradient']:.1e}")


def main() -> None:
    """Measure, print, keep; or be a rank of a job."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", default="digits,digits,digits,digits")
    parser.add_argument("--particles", type=int, default=16)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--out", type=Path)
    parser.add_argument(AS_RANK, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    terms = Terms(families=tuple(options.families.split(",")), particles=options.particles)
    if options.rank:
        mpi.run(lambda world: rank(world, terms))
    results = {"machine": machine(), "terms": asdict(terms), "steps": options.steps, **measure(terms, options.steps)}
    show(results)
    if options.out:
        options.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
