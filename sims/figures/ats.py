"""Asymmetric temperature scaling against plain temperature scaling and against labels alone, on three data sets.

    python sims/figures/ats.py [data=hierarchical,mnist5k,fashion] [seeds=0,1,2,3,4,5] [--quick]

After X.-C. Li et al., "Asymmetric Temperature Scaling Makes Larger Networks Teach Well Again" (NeurIPS 2022, arXiv
2210.04427): one teacher, one student, both learn from the same training samples; no federation. Teachers of three
capacities; a student for labels alone (CE), for every plain temperature (TS) and for every asymmetric pair (ATS), all
from the same first weights on the same batches, trained as stacked networks. Validation samples pick the temperatures;
only then the picked students, and ATS(3, 2), meet the test split. Differences are paired by seed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from fedkd.cli import guarded
from fedkd.durable import replace_text
from fedkd.errors import ConfigurationError
from fedkd.records import Console
from sims import options
from sims.distillation.grounds import SETS, SIZES, Ground, ground
from sims.distillation.networks import SOLVERS
from sims.distillation.picks import DECLARED, WEIGHT
from sims.distillation.pictures import numbers, panels
from sims.distillation.report import accuracies, composition, paired, record, sentences, teachers
from sims.distillation.study import Outcome, study
from sims.distillation.targets import Target, grid
from sims.plots import Table, drawn, rendered, save, write_page

CENTERS = ("none", "mean")
QUICK: dict[str, object] = {
    "data": ("hierarchical",),
    "seeds": (0, 1),
    "kd_weights": (0.5, 1.0),
    "taus": (1.0, 2.0, 4.0),
    "tau_true": (3.0, 4.0),
    "tau_other": (2.0,),
    "size": "tiny",
}


@dataclass(frozen=True)
class Asked:
    """Options of the command.

    Args:
        data: the sets.
        seeds: of samples, networks and batches.
        kd_weights: weights of the distillation term; the paper's 0.5 is among them.
        taus: temperatures of TS.
        tau_true: of ATS, the label's; pairs with tau_true > tau_other are tried.
        tau_other: of ATS, the other classes'.
        teacher_solver: "sgd", or "adam", which moves the zero point of the logits.
        student: widths of the student's hidden layers; empty: the data set's own.
        epochs: passes of the student over its samples; 0: the data set's own.
        center: "none" (the paper), or "mean": the mean over the classes is taken off the teachers' logits.
        size: "full" or "tiny".
        output: folder of the results.
    """

    data: tuple[str, ...] = SETS
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4, 5)
    kd_weights: tuple[float, ...] = (0.5, 0.8, 1.0)
    taus: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 18.0)
    tau_true: tuple[float, ...] = (2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 18.0)
    tau_other: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 12.0)
    teacher_solver: str = "sgd"
    student: tuple[int, ...] = ()
    epochs: int = 0
    center: str = "none"
    size: str = "full"
    output: str = "runs/ats"

    def __post_init__(self) -> None:
        for name, known in (("teacher_solver", SOLVERS), ("center", CENTERS), ("size", SIZES)):
            options.one_of(name, getattr(self, name), known)
        for name in self.data:
            options.one_of("data", name, SETS)
        for name in ("data", "seeds", "taus"):
            options.least(f"number of {name}", len(getattr(self, name)), 1)
        options.least("epochs", self.epochs, 0)
        for width in self.student:
            options.least("student", width, 1)
        for name in ("taus", "tau_true", "tau_other"):
            for value in getattr(self, name):
                options.least(name, value, 0.01)
        if any(not 0 < weight <= 1 for weight in self.kd_weights) or WEIGHT not in self.kd_weights:
            shown = ",".join(f"{weight:g}" for weight in self.kd_weights)
            raise ConfigurationError(f"kd_weights={shown}: choose weights in (0, 1] with {WEIGHT:g} among them")
        if DECLARED not in self.targets:
            raise ConfigurationError(f"grid: lacks {DECLARED.name}; add 3 to tau_true and 2 to tau_other")

    @property
    def targets(self) -> list[Target]:
        """The grid."""
        return grid(self.kd_weights, self.taus, self.tau_true, self.tau_other)

    def ground(self, name: str) -> Ground:
        """A data set with the networks that are asked for."""
        found = ground(name, self.size, self.teacher_solver)
        own = found.student
        student = replace(own, hidden=self.student or own.hidden, epochs=self.epochs or own.epochs)
        return replace(found, student=student)


def tables(outcomes: Sequence[Outcome]) -> Iterator[Table]:
    """Teachers, then three tables a teacher."""
    yield teachers(outcomes)
    for outcome in outcomes:
        yield from (accuracies(outcome), paired(outcome), composition(outcome))


def main(arguments: Sequence[str]) -> None:
    """Study every data set; tables, words, JSON, PNG and page."""
    asked, console = options.read(Asked, arguments, QUICK), Console("auto", quiet=False)
    torch.set_num_threads(1)
    grounds = [asked.ground(name) for name in asked.data]
    command = " ".join(["python sims/figures/ats.py", *arguments])
    Path(asked.output).mkdir(parents=True, exist_ok=True)
    for each in grounds:
        began = time.perf_counter()
        with torch.no_grad():
            outcomes = study(each, asked.targets, asked.seeds, asked.center == "mean", console.announce)
        write(asked, outcomes, command, time.perf_counter() - began, console)


def write(asked: Asked, outcomes: Sequence[Outcome], command: str, seconds: float, console: Console) -> None:
    """Show one data set's results and leave them in the folder."""
    words, shown = sentences(outcomes), list(tables(outcomes))
    for table in shown:
        console.show(rendered(table))
    for line in words:
        console.announce(line)
    name, folder = outcomes[0].ground.name, Path(asked.output)
    curves = list(panels(outcomes, asked.tau_other[1:4:2] or asked.tau_other))
    facts = {"command": command, "options": options.fields(asked), "seconds": seconds, "words": words}
    facts |= {"teachers": [record(one) for one in outcomes], "curves": [numbers(panel) for panel in curves]}
    replace_text(folder / f"{name}.json", json.dumps(facts))
    picture = save(drawn(curves, 4), folder / f"{name}.png")
    summary = Table("in words", ("what the tables show",), [(line,) for line in words])
    write_page(folder / f"{name}.html", f"ATS: {name}", command, picture, [summary, *shown])
    console.announce(f"{name}: {seconds:.0f} s; {folder / name}.html")


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
