"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from fedkd_compression import bench, kernels
from fedkd_compression.errors import OperatorError

WRONG, INTERRUPTED = 2, 130
DIM, QUICK_DIM = 1 << 20, 1 << 16


@dataclass(frozen=True)
class Request:
    """A command line that has been read.

    Args:
        dim: dimension of drawn rows.
        rows: names of rows.
        families: names of the families to measure; empty for all.
        added: operators of the user's own, as text.
        kernels: the set that is measured.
        threads: of torch and of the kernels; None for the usual: one, or one and two for the kernels' rates.
        out: folder for files; None writes none.
        updates: npz file of the user's own.
        quick: fewer turns.
    """

    what: str
    dim: int
    rows: tuple[str, ...]
    families: tuple[str, ...]
    added: tuple[str, ...]
    kernels: kernels.Name
    threads: int | None
    out: Path | None
    updates: Path | None
    quick: bool


def main(arguments: Sequence[str]) -> int:
    """Measure what the command line asks for; the result is the exit code."""
    try:
        asked = request(arguments)
        torch.set_num_threads(asked.threads or 1)
        with kernels.use(asked.kernels):
            return _work(asked.what)(asked)
    except OperatorError as error:
        sys.stderr.write(f"bench: {error}\n")
        return WRONG
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has seen enough; Python would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def request(arguments: Sequence[str]) -> Request:
    """Read a command line."""
    parser = argparse.ArgumentParser(
        prog="python -m fedkd_compression.bench",
        description=bench.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("what", nargs="?", choices=("map", "kernels", "targets"), default="map")
    add("--dim", type=_dim, help=f"coordinates of drawn rows; {DIM}, or {QUICK_DIM} with --quick")
    add("--rows", type=_names, default="gaussian,laplace,student,updates", help="kinds of rows on the map")
    add("--families", type=_names, default="", help="of the map, for example QSGD,TopK; else all")
    add("--add", action="append", default=[], metavar="OPERATOR", help="one of your own: 'my_sign(block=64)'")
    add("--kernels", choices=kernels.available(), default="numba")
    add("--threads", type=_positive, help="1; for kernels 1 and 2")
    add("--out", type=Path, metavar="FOLDER", help="write JSON there, and the map's pictures")
    add("--updates", type=Path, metavar="FILE", help="an npz file of float vectors of one length, for rows=updates")
    add("--quick", action="store_true", help="shorter rows, fewer turns")
    found = parser.parse_args(arguments)
    return Request(
        what=found.what,
        dim=found.dim or (QUICK_DIM if found.quick else DIM),
        rows=found.rows,
        families=found.families,
        added=tuple(found.add),
        kernels=found.kernels,
        threads=found.threads,
        out=found.out,
        updates=found.updates,
        quick=found.quick,
    )


def _work(what: str) -> Callable[[Request], int]:
    """What does the work; the others' modules are not imported."""
    if what == "kernels":
        from fedkd_compression.bench.kernel_rates import report as kernel_rates

        return kernel_rates
    if what == "targets":
        from fedkd_compression.bench.targets import report as targets

        return targets
    from fedkd_compression.bench.field_map import report

    return report


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value


def _dim(text: str) -> int:
    value = int(text)
    if value < 2:
        raise argparse.ArgumentTypeError(f"{value} is below 2")
    return value
