"""Run many configurations on one machine: python sims/sweep.py algorithm=mcm,diana seed=0,1,2 rounds=10,40.

Every value with commas is swept over, as by sims/run.py -m. The same command again goes on where it was stopped.

    --output runs/sweeps/NAME   the sweep's folder; else one whose name follows from the overrides
    --workers 2                 runs at the same time
    --lambda .8                 share of the time that the run with least left to do gets; the rest is everyone's
    --again                     try those that failed once more
    --replay FOLDER|FILE        what several orders would have taken on the lengths that a sweep has recorded

| exit code | the sweep |
|---|---|
| 0 | has all runs done |
| 1 | has a run that failed |
| 2 | has a wrong configuration, or another one works in its folder |
| 74 | could not write its own files |
| 130, 143 | was interrupted by Ctrl-C (SIGINT), by SIGTERM; a second signal ends it at once |
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from fedkd.cli import guarded
from fedkd.errors import ConfigurationError
from fedkd.executors import mpi
from fedkd.signals import exit_code, heeded

TRUST = 0.8
MORE = 2
"""Processes that may wait in memory beside those that run."""


def request(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    words = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=words, allow_abbrev=False)
    parser.add_argument("overrides", nargs="*", help="as of sims/run.py -m; values with commas are swept over")
    parser.add_argument("--output", type=Path, help="folder of the sweep; default: one for these overrides")
    parser.add_argument("--workers", type=int, default=1, help="runs at the same time; default 1")
    parser.add_argument("--live", type=int, help=f"processes, running or waiting; default: --workers + {MORE}")
    parser.add_argument("--slice", type=float, dest="slices", help="seconds of a slice; default: ten set-ups")
    parser.add_argument("--lambda", type=float, dest="trust", default=TRUST, help="in [0, 1]; default .8")
    parser.add_argument("--again", action="store_true", help="also runs that failed")
    parser.add_argument("--replay", type=Path, help="a sweep's folder, or its recorded lengths")
    parser.add_argument("--orders", type=int, default=1000, help="with --replay: random orders of arrival")
    parser.add_argument("--json", type=Path, help="with --replay: file for all numbers")
    return parser.parse_intermixed_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Run the sweep, or replay one; the result is the exit code."""
    asked = request(arguments)
    if asked.replay is not None:
        from sims.sweeps.replay import replay

        replay(asked.replay, asked.orders, asked.trust, asked.json)
        return 0
    if mpi.launched():
        raise ConfigurationError("sims/sweep.py: starts its runs itself; leave mpirun away")
    return sweep(asked, arguments)


def sweep(asked: argparse.Namespace, arguments: Sequence[str]) -> int:
    """Check, run, compare."""
    from sims.sweeps.child import load
    from sims.sweeps.conductor import Conductor, Limits
    from sims.sweeps.ledger import alone, keep, opened
    from sims.sweeps.lengths import HISTORY, Lengths, read_lengths
    from sims.sweeps.plan import planned
    from sims.sweeps.results import finish
    from sims.sweeps.screen import Screen

    live = asked.workers + MORE if asked.live is None else asked.live
    limits = Limits(asked.workers, live, asked.slices, asked.trust)
    plans = planned(asked.overrides, asked.output)
    folder = plans[0].folder.parent
    with alone(folder):
        standings = opened(folder, plans, asked.again)
        lengths = Lengths(read_lengths(folder.parent / HISTORY), [each.leaves for each in standings])
        load()
        with Screen(lambda conductor: keep(conductor, folder, asked.overrides)) as screen:
            try:
                Conductor(folder, standings, lengths, limits, screen).conduct()
            except KeyboardInterrupt as stop:
                screen.close()
                done = sum(each.state == "done" for each in standings)
                again = shlex.join(["python", "sims/sweep.py", *arguments])
                sys.stderr.write(f"interrupted with {done} of {len(standings)} runs done; go on with: {again}\n")
                return exit_code(stop)
        return finish(folder, standings)


if __name__ == "__main__":
    with heeded():
        guarded(lambda: main(sys.argv[1:]))
