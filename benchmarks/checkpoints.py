"""What a checkpoint after every round costs, beside the same rounds without any.

    python benchmarks/checkpoints.py [--cohorts 10 100] [--algorithms mcm rand_mcm] [--rounds 6] [--out FILE.json]

The data and the CNN of ``rounds.py`` (1,663,370 parameters, 100 clients x 100 samples, batch 20, one epoch), one
thread, one process, clients' memories in a folder. Two runs take turns, round by round: one commits after each, as
``checkpoint_every=1`` does, one never. Both end with the same model. The price is told twice: the seconds of the commit
itself as a share of the round, on the clock and of the processor, and how much longer round and commit were than a
round of the other run. The seconds in which the disk was waited for (fsync, fdatasync) are part of the commit. Bytes
are those handed to the system: clients' states, which both runs write, and the checkpoint's own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from workload import LINKS, MODELS, images, setup

from fedkd.build import Setup
from fedkd.checkpoints import Checkpoints, RunState
from fedkd.federation import Federation, play

CLIENTS, SAMPLES, WARM_UP, KEEP = 100, 100, 2, 2
HEAD = "row                       round     commit     waited    share   of CPU   beside      states checkpoint"
COLUMNS = (
    "{row:<20} {seconds:8.3f} s {commit:8.3f} s {fsync:8.3f} s {percent:6.1f} % {cpu_percent:6.1f} % {beside:6.1f} %"
)
SIZES = "{states_mb:8.1f} MB {checkpoint_mb:8.1f} MB"


class Spent(NamedTuple):
    """Seconds of a round and of the commit after it, on the clock and of the processor; bytes that each wrote."""

    play: float
    play_cpu: float
    commit: float = 0.0
    commit_cpu: float = 0.0
    fsync: float = 0.0
    states: int = 0
    checkpoint: int = 0


@dataclass
class Watch:
    """Seconds in which this process has waited for the disk."""

    seconds: float = 0.0

    def over(self, sync: Callable[[int], None]) -> Callable[[int], None]:
        """A call that is timed."""

        def timed(descriptor: int) -> None:
            began = time.perf_counter()
            sync(descriptor)
            self.seconds += time.perf_counter() - began

        return timed


WATCH = Watch()


@dataclass
class Run:
    """A run that goes on by a round a step.

    Args:
        committing: whether it writes a checkpoint after every round.
    """

    job: Setup
    federation: Federation
    folder: Path
    committing: bool
    spent: list[Spent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._state = self.job.algorithm.start(self.job.model)
        self._checkpoints = Checkpoints(self.folder, KEEP)

    def step(self) -> None:
        """Time a round, and what makes it durable."""
        began, cpu, written = time.perf_counter(), time.process_time(), _written()
        self._state, _ = play(self.federation, self._state)
        spent = Spent(time.perf_counter() - began, time.process_time() - cpu, states=_written() - written)
        self.spent.append(self._commit(spent) if self.committing else spent)

    def digest(self) -> str:
        """The sha256 of the model."""
        return hashlib.sha256(self._state.model.numpy().tobytes()).hexdigest()

    def _commit(self, spent: Spent) -> Spent:
        began, cpu, written, waited = time.perf_counter(), time.process_time(), _written(), WATCH.seconds
        carried = self.federation.executor.commit(self._checkpoints.kept_with(self._state.round), {})
        self._checkpoints.save(RunState(self._state, carried))
        return spent._replace(
            commit=time.perf_counter() - began,
            commit_cpu=time.process_time() - cpu,
            fsync=WATCH.seconds - waited,
            checkpoint=_written() - written,
        )


def runs(stack: ExitStack, algorithm: str, cohort: int) -> Iterator[Run]:
    """One without checkpoints, and one with."""
    parts = [np.arange(SAMPLES) + client * SAMPLES for client in range(CLIENTS)]
    chosen = [*LINKS["MCM r=1"], f"algorithm={algorithm}", f"participation.size={cohort}", "executor=local"]
    job = setup([*MODELS["cnn"], *chosen], images(CLIENTS * SAMPLES), parts)
    for committing in (False, True):
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=Path.cwd())))
        federation = job.open(folder, {})
        stack.callback(federation.executor.close)
        yield Run(job, federation, folder, committing)


def measure(algorithm: str, cohort: int, rounds: int) -> dict[str, float | str]:
    """Medians over rounds; shares are medians of the ratios round by round."""
    with ExitStack() as stack:
        without, committing = pair = [*runs(stack, algorithm, cohort)]
        for number in range(WARM_UP + rounds):
            for run in pair[:: 1 if number % 2 else -1]:
                run.step()
        assert without.digest() == committing.digest()
    kept = committing.spent[WARM_UP:]
    ratios = [(one.play + one.commit) / other.play for one, other in zip(kept, without.spent[WARM_UP:], strict=True)]
    return {
        "row": f"{algorithm}, cohort {cohort}",
        "seconds": statistics.median(spent.play for spent in kept),
        "commit": statistics.median(spent.commit for spent in kept),
        "fsync": statistics.median(spent.fsync for spent in kept),
        "percent": 100 * statistics.median(spent.commit / spent.play for spent in kept),
        "cpu_percent": 100 * statistics.median(spent.commit_cpu / spent.play_cpu for spent in kept),
        "beside": 100 * (statistics.median(ratios) - 1),
        "states_mb": statistics.median(spent.states for spent in kept) / 1e6,
        "checkpoint_mb": statistics.median(spent.checkpoint for spent in kept) / 1e6,
    }


def _written() -> int:
    """Bytes that this process has handed to the system."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("wchar:")).split()[1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--algorithms", nargs="+", default=["mcm", "rand_mcm"])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    os.fsync, os.fdatasync = WATCH.over(os.fsync), WATCH.over(os.fdatasync)
    print(HEAD)
    table = []
    for algorithm in options.algorithms:
        for cohort in options.cohorts:
            table.append(measure(algorithm, cohort, options.rounds))
            print(COLUMNS.format(**table[-1]), SIZES.format(**table[-1]), flush=True)
    if options.out:
        machine = {"processor": platform.processor() or platform.machine(), "torch": torch.__version__}
        options.out.write_text(json.dumps({"machine": machine, "rounds": options.rounds, "table": table}, indent=1))


if __name__ == "__main__":
    main()
