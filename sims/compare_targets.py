"""Labels alone, the best TS and the best ATS on the test split.

    python sims/compare_targets.py [overrides] [--tau-true 1,2,3] [--tau-other 1,2] ...

Temperatures are chosen on held-out data, by the mean over the seeds, as sims/search_temperatures.py does and with its
options. Only then are the three chosen targets trained again and measured on the test split, on the same data and
teachers. Differences are paired by seed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from fedkd.cli import guarded
from fedkd.durable import replace_text
from fedkd.errors import ConfigurationError
from sims.plots import spread
from sims.search_temperatures import Row, grounds, record, request, search, table
from sims.trials import Ground, trial

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Chosen:
    """A row of the search, and the same measured on the test split."""

    held_out: Row
    test: Row


def best(rows: Sequence[Row]) -> list[Row]:
    """CE, the best TS and the best ATS of rows that are sorted, best first.

    Raises:
        ConfigurationError: the grid has no pair of one of the kinds.
    """
    found = {row.cell.kind: row for row in reversed(rows)}
    for kind, need in (("TS", "equal temperatures"), ("ATS", "tau_true > tau_other")):
        if kind not in found:
            raise ConfigurationError(f"grid: has no pair with {need}; widen --tau-true and --tau-other")
    return [found["CE"], found["TS"], found["ATS"]]


def reveal(rows: Sequence[Row], on: Sequence[Ground]) -> list[Chosen]:
    """Train the chosen targets again and measure them on the test split; the first row is CE."""
    revealed = [each.revealed() for each in on]
    measured = [tuple(trial(each, row.cell.task(each)) for each in revealed) for row in rows]
    labels = measured[0]
    return [Chosen(row, Row(row.cell, trials, labels)) for row, trials in zip(rows, measured, strict=True)]


def comparison(chosen: Sequence[Chosen], seeds: int) -> Table:
    """Held-out and test accuracy, and test accuracy against CE and against TS, in points."""
    from rich import box
    from rich.table import Table

    shown = Table(title=f"chosen on held-out data, {seeds} seeds, mean ± deviation", box=box.SIMPLE_HEAD)
    for heading in ("target", "kd weight", "held-out %", "test %", "over CE", "over TS", "by seed"):
        shown.add_column(heading, justify="left" if heading == "target" else "right")
    scaled = chosen[1].test
    for each in chosen:
        over = difference(each.test, scaled)
        shown.add_row(
            each.test.cell.name,
            f"{each.test.cell.kd_weight:g}",
            spread(each.held_out.accuracies, ".2f", 100),
            spread(each.test.accuracies, ".2f", 100),
            "-" if each is chosen[0] else spread(each.test.gains, "+.2f", 100),
            "-" if each.test is scaled else spread(over, "+.2f", 100),
            "-" if each.test is scaled else " ".join(f"{100 * value:+.2f}" for value in over),
        )
    return shown


def difference(row: Row, other: Row) -> list[float]:
    """Accuracy against another row, seed by seed."""
    return [one - two for one, two in zip(row.accuracies, other.accuracies, strict=True)]


def main(arguments: Sequence[str]) -> None:
    """Search, choose, measure on the test split, print both tables, write the JSON."""
    asked = request(arguments, __doc__, "targets.json")
    if len(asked.grid.teachers) > 1:
        raise ConfigurationError(f"--teachers {','.join(asked.grid.teachers)}: targets share one teacher; name one")
    teacher = asked.grid.teachers[0]
    on = grounds(asked, teacher)
    console = on[0].settings.recorder
    rows = search(asked, teacher, on, console.announce)
    console.show(table(rows, "held-out accuracy"))
    chosen = reveal(best(rows), on)
    console.show(comparison(chosen, len(asked.seeds)))
    tests = [[asdict(each) for each in row.test.trials] for row in chosen]
    replace_text(asked.output, json.dumps({"search": record(asked, on, rows), "test": tests}, indent=1))


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
