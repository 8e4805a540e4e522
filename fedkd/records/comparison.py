"""Several finished runs side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fedkd.records.console import Console
from fedkd.records.history import History, histories
from fedkd.records.summary import Summary
from fedkd.records.units import (
    is_accuracy,
    readable_factor,
    readable_metric,
    readable_number,
    significant,
)

if TYPE_CHECKING:
    from rich.table import Table

DIAGNOSTICS = ("DA", "IV", "DV", "inversion_rate")
ABSENT = "-"
NAME = 8
"""Columns that a run's name has at least, however narrow the terminal."""


@dataclass(frozen=True)
class Column:
    """A column: its title, and what it says of a run next to the first one."""

    title: str
    cell: Callable[[Summary, Summary], str]


def columns(rows: Sequence[Summary]) -> list[Column]:
    """The columns that have something to say about these runs."""
    unit = " %" if is_accuracy(rows[0].metric) else ""
    metric = rows[0].metric.replace("_", " ") + unit
    fixed = [
        Column("run", lambda row, _: row.name),
        Column(metric, lambda row, _: readable_metric(row.metric, row.mean_last).removesuffix(" %")),
        Column("delta", delta),
        Column("MB up", lambda row, _: readable_number(row.bytes_up / 1e6)),
        Column("MB down", lambda row, _: readable_number(row.bytes_down / 1e6)),
        Column("factor", lambda row, _: readable_factor(row.factor)),
    ]
    present = [name for name in DIAGNOSTICS if any(name in row.diagnostics for row in rows)]
    times = [Column("seconds", lambda row, _: significant(row.seconds))]
    if any(row.virtual_seconds > 0 for row in rows):
        times.append(Column("virtual seconds", lambda row, _: _virtual(row)))
    return [*fixed, *map(_diagnostic, present), *times]


def delta(row: Summary, first: Summary) -> str:
    """The metric against that of the first run; accuracies in percentage points."""
    difference = row.mean_last - first.mean_last
    if row is first or row.metric != first.metric or not math.isfinite(difference):
        return ABSENT
    if is_accuracy(row.metric):
        return f"{100 * difference:+.2f}"
    return f"{'+' * (difference >= 0)}{readable_number(difference)}"


def comparison_table(rows: Sequence[Summary]) -> Table:
    """A table with one line a run; the first run is what the others are compared with.

    It fits 80 columns: headings wrap, numbers never do.
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    shown = columns(rows)
    cells = [[column.cell(row, rows[0]) for column in shown] for row in rows]
    table.add_column(shown[0].title, overflow="fold", min_width=NAME)
    for index, column in enumerate(shown[1:], start=1):
        words = [*column.title.split(), *(line[index] for line in cells)]
        table.add_column(column.title, justify="right", width=max(map(len, words)))
    for line in cells:
        table.add_row(*line)
    return table


def compare(folder: Path, console: Console | None = None) -> None:
    """Print the run in ``folder`` and those in its subfolders side by side.

    Args:
        folder: of the run that the others are compared with.
        console: that prints, or keeps quiet; one that prints if there is none.

    Raises:
        ConfigurationError: ``folder`` holds no run.
    """
    shown = console or Console(live="auto", quiet=False)
    shown.show(comparison_table(labelled(histories(folder))))


def labelled(runs: Sequence[History]) -> list[Summary]:
    """The runs' summaries; the first bears its algorithm's name, since its own may be long."""
    first, *others = (run.summary() for run in runs)
    return [replace(first, name=f"{runs[0].manifest['algorithm']}, this run"), *others]


def _diagnostic(name: str) -> Column:
    def cell(row: Summary, _: Summary) -> str:
        return readable_number(row.diagnostics[name]) if name in row.diagnostics else ABSENT

    return Column(name.replace("_", " "), cell)


def _virtual(row: Summary) -> str:
    return significant(row.virtual_seconds) if row.virtual_seconds > 0 else ABSENT
