"""Make a run again from its manifest, and say what agrees: python sims/verify.py runs/NAME [executor=local].

Exit codes: 0 the same, 1 not the same, 2 no run or a wrong argument. Works under mpirun, too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fedkd.attend import attend
from fedkd.cli import guarded
from fedkd.executors import mpi
from fedkd.signals import heeded
from fedkd.verify import Left, compare, make_again


def request(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, help="of the run; for one of a comparison, the folder in it")
    parser.add_argument("overrides", nargs="*", help="of the executor; none: the run's own")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the run is made again, and stays")
    return parser.parse_intermixed_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Make the run again, compare, print the lines; the result is the exit code."""
    asked = request(arguments)
    with tempfile.TemporaryDirectory(prefix="fedkd-verify-") as folder:
        made = Path(folder, asked.folder.resolve().name) if asked.keep is None else asked.keep
        outcome = make_again(asked.folder, made, asked.overrides)
        if outcome.code is not None:
            sys.stderr.write(f"{outcome.message if outcome.reason == 'failed' else outcome.reason}\n")
            return outcome.code
        verdict = compare(Left.read(asked.folder), Left.read(made))
    print("\n".join(verdict.lines))
    return 0 if verdict.same else 1


def rank(world: mpi.World) -> int | None:
    """Under mpirun rank 0 compares, and all others train."""
    return attend(world) if world.rank > 0 else guarded(lambda: main(sys.argv[1:]))


if __name__ == "__main__":
    if mpi.launched():
        mpi.run(rank)
    with heeded():
        guarded(lambda: main(sys.argv[1:]))
