"""What a sweep found: each configuration over its seeds, in a table, as CSV and JSON, and on one page."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedkd.durable import replace_text
from fedkd.records import Console, History
from fedkd.records.tables import Table
from fedkd.records.units import is_accuracy, readable_bits, readable_metric, readable_number, readable_seconds
from sims.sweeps.plan import Planned
from sims.sweeps.standing import Standing

if TYPE_CHECKING:
    from rich.table import Table as Rendered

CSV, JSON, PAGE = "results.csv", "results.json", "report.html"


@dataclass(frozen=True)
class Run:
    """One run in numbers.

    Args:
        state: done, or failed with what was done before; both as the sweep has it.
        metric: the headline's name; empty without an evaluation.
        value: its mean over the last three evaluated rounds.
        seconds: of its rounds.
    """

    plan: Planned = field(repr=False)
    state: str
    history: History | None = field(repr=False)
    metric: str = ""
    value: float = math.nan
    rounds: int = 0
    bits_up: int = 0
    bits_down: int = 0
    seconds: float = 0.0
    message: str = ""

    @staticmethod
    def of(standing: Standing) -> Run:
        """Read what it left behind."""
        if not standing.plan.begun():
            return Run(standing.plan, standing.state, None, message=standing.message)
        history = History.read(standing.plan.folder)
        summary = history.summary()
        return Run(
            standing.plan,
            standing.state,
            history,
            summary.metric,
            summary.mean_last,
            summary.rounds,
            8 * summary.bytes_up,
            8 * summary.bytes_down,
            summary.seconds,
            standing.message,
        )

    def cells(self) -> dict[str, object]:
        """A line of the CSV file."""
        numbers = {name: getattr(self, name) for name in ("rounds", "bits_up", "bits_down", "seconds")}
        value = self.value if math.isfinite(self.value) else ""
        named = {"state": self.state, "metric": self.metric, "value": value}
        return {**self.plan.varied, **named, **numbers, "folder": self.plan.folder.name, "message": self.message}


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over seeds (0 of one alone)."""

    mean: float
    deviation: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        """NaN of none."""
        if not values:
            return Spread(math.nan, math.nan)
        return Spread(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0)


@dataclass(frozen=True)
class Group:
    """One configuration: the runs that differ in their seed alone."""

    label: str
    runs: Sequence[Run]

    @property
    def done(self) -> list[Run]:
        """Those that count."""
        return [run for run in self.runs if run.state == "done"]

    @property
    def metric(self) -> str:
        """The headline's name."""
        return next((run.metric for run in self.done if run.metric), "")

    def spread(self, name: str) -> Spread:
        """Of a number of its runs that are done."""
        return Spread.of([getattr(run, name) for run in self.done])


def grouped(runs: Sequence[Run]) -> list[Group]:
    """In the order of the command line."""
    labels = dict.fromkeys(run.plan.label for run in runs)
    return [Group(label, [run for run in runs if run.plan.label == label]) for label in labels]


def finish(folder: Path, standings: Sequence[Standing]) -> int:
    """Write and show what was found; the result is the command's exit code.

    Raises:
        StorageError: a file cannot be written.
    """
    console = Console("auto", quiet=False)
    groups = grouped([Run.of(each) for each in standings])
    write_numbers(folder, groups)
    console.show(rendered(table(groups)))
    for run in (run for group in groups for run in group.runs if run.state == "failed"):
        console.announce(f"failed: {run.plan.name}: {run.message} ({run.plan.folder})")
    console.announce(_page(folder, groups))
    return int(any(each.state != "done" for each in standings))


def write_numbers(folder: Path, groups: Sequence[Group]) -> None:
    """results.csv has a line a run; results.json the configurations too."""
    lines = [run.cells() for group in groups for run in group.runs]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    replace_text(folder / CSV, text.getvalue())
    found = {"configurations": [_numbers(group) for group in groups], "runs": lines}
    replace_text(folder / JSON, json.dumps(found, indent=1))


def table(groups: Sequence[Group]) -> Table:
    """A line a configuration: mean ± deviation over its seeds."""
    metrics = list(dict.fromkeys(group.metric for group in groups if group.metric))
    title = metrics[0].replace("_", " ") if len(metrics) == 1 else "metric"
    head = ("configuration", "runs", title, "up", "down", "time")
    return Table(head, [tuple(_cells(group)) for group in groups])


def rendered(shown: Table) -> Rendered:
    """For the console."""
    from rich import box
    from rich.table import Table as Rendered

    found = Rendered(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for place, heading in enumerate(shown.head):
        found.add_column(heading, justify="right" if place else "left", overflow="fold")
    for row in shown.rows:
        found.add_row(*row)
    return found


def _cells(group: Group) -> Iterator[str]:
    yield group.label
    yield str(len(group.done)) if len(group.done) == len(group.runs) else f"{len(group.done)} of {len(group.runs)}"
    yield shown_metric(group)
    for name, readable in (("bits_up", readable_bits), ("bits_down", readable_bits), ("seconds", readable_seconds)):
        spread = group.spread(name)
        yield readable(spread.mean) if math.isfinite(spread.mean) else "–"


def shown_metric(group: Group) -> str:
    """Mean ± deviation of the headline metric; the mean alone of one run.

    Example:
        81.25 ± 1.07 %
    """
    spread = group.spread("value")
    if not math.isfinite(spread.mean):
        return "–"
    mean = readable_metric(group.metric, spread.mean)
    if len(group.done) < 2:
        return mean
    if is_accuracy(group.metric):
        return f"{mean.removesuffix(' %')} ± {100 * spread.deviation:.2f} %"
    return f"{mean} ± {readable_number(spread.deviation)}"


def _numbers(group: Group) -> Mapping[str, Any]:
    names = ("value", "bits_up", "bits_down", "seconds", "rounds")
    spreads = {name: asdict(group.spread(name)) for name in names}
    known = {
        name: {key: value if math.isfinite(value) else None for key, value in spread.items()}
        for name, spread in spreads.items()
    }
    return {"configuration": group.label, "runs": len(group.done), "metric": group.metric, **known}


def _page(folder: Path, groups: Sequence[Group]) -> str:
    """Write the page, and say where it is; a missing library is said, and no reason to fail."""
    if missing := [name for name in ("matplotlib", "jinja2") if util.find_spec(name) is None]:
        return f"no report: {missing[0]} is not installed; pip install fedkd[report]"
    from sims.sweeps.page import render

    replace_text(folder / PAGE, render(folder, groups))
    return f"report: {folder / PAGE}"
