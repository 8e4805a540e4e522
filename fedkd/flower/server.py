"""The server's side of Flower: what a ServerApp does."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fedkd.configuration import Settings
from fedkd.flower.job_file import JobFile
from fedkd.flower.relay import Relay
from fedkd.flower.seat import Seated, seated
from fedkd.flower.simulation.command import translated
from fedkd.job import Job, execute

if TYPE_CHECKING:
    from flwr.app import Context
    from flwr.serverapp import Grid


def serve(grid: Grid, context: Context) -> None:
    """Run the federation that the run configuration describes, and leave its folder behind.

    Args:
        grid: through which the nodes are reached.
        context: its ``run_config`` has either ``config``, the path of a job file, or ``overrides`` of the configuration
            as on the command line.

    Raises:
        ConfigurationError: the configuration is wrong; nothing was started.
        RuntimeError: the run did not finish.

    Example:
        >>> app = ServerApp()
        >>> @app.main()
        ... def main(grid, context):
        ...     serve(grid, context)
    """
    launched = str(context.run_config.get("config", ""))
    overrides = shlex.split(str(context.run_config.get("overrides", "")))
    ended = _launched(grid, JobFile.read(Path(launched))) if launched else _composed(grid, overrides)
    if ended != "finished":
        raise RuntimeError(f"the run {ended}")


def _launched(grid: Grid, order: JobFile) -> str:
    """A run that the launcher has composed and checked, and listens to; the result is how it ended."""
    with Relay(order.relay) as relay, seated(Seated(grid, relay.interrupted, simulated=True)):
        job = Job(Settings.of(order.values), Path(order.folder), order.values, order.overrides, relay)
        return execute(job).reason


def _composed(grid: Grid, overrides: Sequence[str]) -> str:
    """A run, and those beside it, that are composed here; the console is this process's output."""
    from fedkd.cli import run

    with seated(Seated(grid, _never, _is_simulated(grid))):
        return "finished" if run(translated(overrides)) == 0 else "failed"


def _is_simulated(grid: Grid) -> bool:
    from flwr.superlink.grid import InMemoryGrid

    return isinstance(grid, InMemoryGrid)


def _never() -> bool:
    """Nobody interrupts: Flower ends the process of a run that it is to stop."""
    return False
