"""Search of a teacher's temperatures on held-out data.

    python sims/search_temperatures.py [overrides] [--tau-true 1,2,3] [--tau-other 1,2] ...

Every pair with tau_true >= tau_other is a federated run of the given configuration; a pair of equal ones is plain
temperature scaling (TS), any other is asymmetric (ATS), and cross-entropy on the labels alone (CE) is run beside them.
Seeds differ in training samples, partition, teacher and initial model; within a seed all runs share all four. The test
split is never used.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fedkd.cli import guarded
from fedkd.durable import replace_text
from fedkd.records.units import readable_number
from sims.plots import spread
from sims.trials import Ground, Trial, ground, labels_only, teacher_quality, trial

if TYPE_CHECKING:
    from rich.table import Table

    from fedkd.tasks import Task

DIAGNOSTICS = ("DA", "IV", "DV", "inversion_rate")


@dataclass(frozen=True)
class Cell:
    """A point of the grid; without temperatures it is cross-entropy on the labels."""

    teacher: str
    kd_weight: float = 0.0
    tau_true: float = 0.0
    tau_other: float = 0.0

    @property
    def kind(self) -> str:
        """CE, TS or ATS."""
        if not self.tau_true:
            return "CE"
        return "TS" if self.tau_true == self.tau_other else "ATS"

    @property
    def name(self) -> str:
        """The kind with its temperatures."""
        taus = {"CE": "", "TS": f"({self.tau_true:g})", "ATS": f"({self.tau_true:g}, {self.tau_other:g})"}
        return self.kind + taus[self.kind]

    def task(self, on: Ground) -> Task:
        """The task of this cell, all else as configured."""
        if self.kind == "CE":
            return labels_only()
        return replace(on.task, tau_true=self.tau_true, tau_other=self.tau_other, kd_weight=self.kd_weight)


@dataclass(frozen=True)
class Row:
    """A cell's trials, one a seed, and those of CE on the same seeds."""

    cell: Cell
    trials: tuple[Trial, ...]
    labels: tuple[Trial, ...]

    @property
    def accuracy(self) -> float:
        """Mean over the seeds."""
        return statistics.fmean(trial.accuracy for trial in self.trials)

    @property
    def accuracies(self) -> list[float]:
        """One a seed."""
        return [trial.accuracy for trial in self.trials]

    @property
    def gains(self) -> list[float]:
        """Accuracy against CE, seed by seed."""
        return [own.accuracy - other.accuracy for own, other in zip(self.trials, self.labels, strict=True)]

    def diagnostic(self, name: str) -> float | None:
        """Mean over the seeds, where the clients report it."""
        values = [trial.diagnostics[name] for trial in self.trials if name in trial.diagnostics]
        return statistics.fmean(values) if values else None


@dataclass(frozen=True)
class Grid:
    """What is tried.

    Args:
        teachers: choices of the group ``teacher``; an empty name is the configured one.
    """

    teachers: tuple[str, ...]
    kd_weights: tuple[float, ...]
    tau_true: tuple[float, ...]
    tau_other: tuple[float, ...]

    def cells(self, teacher: str) -> Iterator[Cell]:
        """Those of one teacher, CE first; asymmetry is towards the label, as in the paper."""
        yield Cell(teacher)
        for weight, true, other in itertools.product(self.kd_weights, self.tau_true, self.tau_other):
            if true >= other:
                yield Cell(teacher, weight, true, other)


@dataclass(frozen=True)
class Request:
    """A command line that has been read."""

    overrides: tuple[str, ...]
    grid: Grid
    seeds: tuple[int, ...]
    held_out: int
    output: Path


def numbers(text: str) -> tuple[float, ...]:
    """Read 1,2,3.5 from a command line."""
    return tuple(float(item) for item in text.split(","))


def request(arguments: Sequence[str], description: str | None, output: str) -> Request:
    """Read a command line: overrides of the configuration, and the options of a search."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="of the configuration, as for sims/run.py")
    parser.add_argument("--tau-true", type=numbers, default="1,2,3,4,6", help="temperatures of the label's logit")
    parser.add_argument("--tau-other", type=numbers, default="1,2,3,4", help="temperatures of the other logits")
    parser.add_argument("--kd-weights", type=numbers, default="0.5", help="weights of the distillation term")
    parser.add_argument("--teachers", default="", help="choices of the group teacher; else the configured one")
    parser.add_argument("--seeds", type=numbers, default="0,1,2")
    parser.add_argument("--held-out", type=int, default=2000, help="public samples that are measured on")
    parser.add_argument("--output", type=Path, default=Path(output), help="JSON file with every trial")
    found = parser.parse_intermixed_args(arguments)
    grid = Grid(tuple(found.teachers.split(",")), found.kd_weights, found.tau_true, found.tau_other)
    seeds = tuple(int(seed) for seed in found.seeds)
    return Request(tuple(found.overrides), grid, seeds, found.held_out, found.output)


def grounds(request: Request, teacher: str) -> list[Ground]:
    """One ground a seed, teachers fitted."""
    chosen = [f"teacher={teacher}"] if teacher else []
    return [ground([*request.overrides, *chosen, f"seed={seed}"], request.held_out) for seed in request.seeds]


def search(request: Request, teacher: str, on: Sequence[Ground], say: Callable[[str], None]) -> list[Row]:
    """Run all cells of one teacher on every ground; best first."""
    labels: tuple[Trial, ...] = ()
    rows = []
    for cell in request.grid.cells(teacher):
        trials = tuple(trial(each, cell.task(each)) for each in on)
        labels = labels or trials
        rows.append(Row(cell, trials, labels))
        say(f"{teacher} kd_weight={cell.kd_weight:g} {cell.name}: {100 * rows[-1].accuracy:.2f} %")
    return sorted(rows, key=lambda row: -row.accuracy)


def table(rows: Sequence[Row], title: str) -> Table:
    """Rows as text: accuracy and gain over CE in points, mean and deviation over seeds."""
    from rich import box
    from rich.table import Table

    shown = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0))
    several = len({row.cell.teacher for row in rows}) > 1
    headings = ["target", "weight", "accuracy %", "over CE", *DIAGNOSTICS]
    for heading in ["teacher"] * several + headings:
        justify: Literal["left", "right"] = "left" if heading in ("teacher", "target") else "right"
        shown.add_column(heading.replace("_", " "), justify=justify, no_wrap=heading not in DIAGNOSTICS)
    for row in rows:
        teacher = [row.cell.teacher] * several
        shown.add_row(*teacher, *_cells(row))
    return shown


def _cells(row: Row) -> list[str]:
    gain = "-" if row.cell.kind == "CE" else spread(row.gains, "+.2f", 100)
    measured = [row.diagnostic(name) for name in DIAGNOSTICS]
    diagnostics = ["-" if value is None else readable_number(value) for value in measured]
    return [row.cell.name, f"{row.cell.kd_weight:g}", spread(row.accuracies, ".2f", 100), gain, *diagnostics]


def record(request: Request, on: Sequence[Ground], rows: Sequence[Row]) -> dict[str, object]:
    """All trials of one teacher as plain values."""
    return {
        "overrides": list(request.overrides),
        "seeds": list(request.seeds),
        "held_out": request.held_out,
        "teacher_quality": [teacher_quality(each) for each in on],
        "rows": [{**asdict(row.cell), "trials": [asdict(each) for each in row.trials]} for row in rows],
    }


def main(arguments: Sequence[str]) -> None:
    """Search, print the table, write the JSON."""
    asked = request(arguments, __doc__, "temperatures.json")
    found: list[Row] = []
    records = []
    for teacher in asked.grid.teachers:
        on = grounds(asked, teacher)
        rows = search(asked, teacher, on, on[0].settings.recorder.announce)
        found += rows
        records.append(record(asked, on, rows))
        replace_text(asked.output, json.dumps(records, indent=1))
    found.sort(key=lambda row: -row.accuracy)
    seeds = len(asked.seeds)
    on[0].settings.recorder.show(table(found, f"held-out accuracy, mean ± deviation over {seeds} seeds"))


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
