"""One screen for all runs of a sweep: a table that moves, or a line for what begins and ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fedkd.durable import explained
from fedkd.records.console import open_console
from fedkd.records.units import readable_metric, readable_seconds
from sims.sweeps.standing import Standing

if TYPE_CHECKING:
    from rich.table import Table

    from sims.sweeps.conductor import Conductor

OUTPUT = Path("standard output")
"""What an error calls it."""
FIRST = ("running", "leaving", "paused", "waiting", "failed", "done")
"""Whom a small screen shows before others."""
COLOURS = {"running": "bold", "done": "green", "failed": "red", "paused": "yellow"}
AROUND = 7
"""Lines of a terminal that the table's rows do not have."""
OFTEN = 0.2
"""Seconds that a picture stays at least, unless a run changes its state."""
DASH = "-"


class Screen:
    """What the standard output shows of a sweep, inside ``with``.

    Args:
        keep: called at every change; it writes the sweep's file.
    """

    def __init__(self, keep: Callable[[Conductor], None]) -> None:
        from rich.live import Live

        self._console = open_console("auto")
        # No thread may draw while processes are forked.
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._keep, self._kept, self._drawn = keep, "", 0.0

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the table as it stands."""
        if self._live is not None:
            self._live.stop()

    def show(self, conductor: Conductor) -> None:
        """Draw anew; the sweep's file is written where a run has changed its state."""
        states = " ".join(f"{each.state}{each.starts}" for each in conductor.standings)
        changed, self._kept = states != self._kept, states
        if changed:
            self._keep(conductor)
        if self._live is not None and (changed or time.monotonic() - self._drawn > OFTEN):
            self._drawn = time.monotonic()
            with explained(OUTPUT):
                self._live.update(progress(conductor, self._console.height - AROUND), refresh=True)

    def tell(self, line: str) -> None:
        """A line that stays; above the table, if there is one."""
        with explained(OUTPUT):
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def progress(conductor: Conductor, rows: int) -> Table:
    """One line a run, as many as fit."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    runs = conductor.standings
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, caption=summary(conductor))
    table.add_column("run", overflow="ellipsis", no_wrap=True)
    for heading in ("state", "rounds", "metric", "spent", "left"):
        table.add_column(heading, justify="left" if heading in ("state", "metric") else "right", no_wrap=True)
    shown = _shown(runs, rows)
    for each in shown:
        cells = (each.state, f"{each.done}/{each.plan.rounds}", _metric(each), *_times(conductor, each))
        style = COLOURS.get(each.state, "dim")
        table.add_row(*(Text(cell, style=style) for cell in (each.plan.name, *cells)))
    if hidden := len(runs) - len(shown):
        table.add_row(Text(f"and {hidden} more", style="dim"))
    return table


def summary(conductor: Conductor) -> str:
    """How many runs are over, and how long the rest takes."""
    runs = conductor.standings
    counts = {state: sum(each.state == state for each in runs) for state in FIRST}
    words = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    rest = sum(conductor.left(each) for each in runs if not each.over)
    ends = f"; about {readable_seconds(rest / conductor.limits.workers)} left" if conductor.knows and rest else ""
    return f"{words}{ends}"


def _shown(runs: Sequence[Standing], rows: int) -> list[Standing]:
    """In their own order; of too many, those that say most."""
    if len(runs) <= max(rows, 1):
        return list(runs)
    chosen = sorted(runs, key=lambda each: FIRST.index(each.state))[: max(rows - 1, 1)]
    names = {each.name for each in chosen}
    return [each for each in runs if each.name in names]


def _metric(standing: Standing) -> str:
    if standing.value is None:
        return standing.message[:40] if standing.state == "failed" else DASH
    return f"{standing.metric.replace('_', ' ')} {readable_metric(standing.metric, standing.value)}"


def _times(conductor: Conductor, standing: Standing) -> tuple[str, str]:
    spent = standing.spent + standing.slice
    known = not standing.over and (conductor.knows or standing.pace is not None)
    left = readable_seconds(conductor.left(standing)) if known else DASH
    return (readable_seconds(spent) if spent else DASH), left
