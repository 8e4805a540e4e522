"""MCM on convex problems: excess loss against epochs and against the bits of all messages.

    python sims/figures/mcm_convex.py [data=breast_cancer|digits] [split=non-iid|iid] [--quick]
    python sims/figures/mcm_convex.py data=a9a path=FOLDER_OR_FILE

After the experiments of Philippenko and Dieuleveut (NeurIPS 2021, arXiv 2102.12528): logistic regression or least
squares, N = 20, one level of QSGD in both directions (s = 1) and dither that sends the first gradients in as many
bytes, step size 1/L, stochastic gradients, 5 seeds at once; all clients in every round, and each with probability p
under both estimators. Non-iid: t-SNE to two dimensions, a mixture of 20 Gaussians, one cluster a client. An epoch is as
many rounds as the smallest client has batches. Every bit was counted from whole messages, headers included.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fedkd.cli import guarded
from fedkd.durable import replace_text
from fedkd.records import Console
from sims import options
from sims.convex.engine import Course, Plan, partly, simulate
from sims.convex.problems import Samples
from sims.convex.sources import BATCHES, EMBEDDED, SPLITS, TASKS, Choice, problem, smoothness
from sims.convex.table import ALGORITHMS, OPERATORS, PAPER, gradients, kit, methods
from sims.plots import Curve, Panel, Table, drawn, rendered, save, write_page

POINTS = 120
"""Measurements of a run, about."""
LAST = 6
"""Measurements of which the final excess is the mean: one alone is noisy."""
LEAST = 1e-16
"""Below it an excess is rounding."""
QUICK: dict[str, object] = {"epochs": 4, "seeds": (0, 1), "clients": 4, "tsne": 200}


@dataclass(frozen=True)
class Asked:
    """Options of the command.

    Args:
        data: an embedded set, or the name of a file's set.
        path: of the file, or of the folder that has it.
        task: "logistic" or "least_squares"; empty: what the data are for.
        split: "non-iid", "iid" or "both".
        clients: N.
        batch: samples of a stochastic gradient; 0: all; -1: as in the published experiments.
        epochs: of each run.
        seeds: of the runs.
        step: gamma in units of 1/L.
        smoothness: L: "published" or "exact".
        p: probability of taking part in the second half of the figure.
        algorithms: rows of the table; empty: those of the paper.
        tsne: samples that t-SNE embeds.
        output: folder of the results.
        cache: folder of clusters and optima.
    """

    data: str = "breast_cancer"
    path: str = ""
    task: str = ""
    split: str = "non-iid"
    clients: int = 20
    batch: int = -1
    epochs: int = 600
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    step: float = 1.0
    smoothness: str = "published"
    p: float = 0.5
    algorithms: tuple[str, ...] = tuple(PAPER)
    tsne: int = 5000
    output: str = "runs/mcm_convex"
    cache: str = "runs/cache"

    def __post_init__(self) -> None:
        options.one_of("task", self.task, ("", "logistic", "least_squares"))
        options.one_of("split", self.split, (*SPLITS, "both"))
        options.one_of("smoothness", self.smoothness, ("published", "exact"))
        for name in self.algorithms:
            options.one_of("algorithms", name, list(ALGORITHMS))
        if not self.path:
            options.one_of("data", self.data, EMBEDDED)
        for name, bound in (("clients", 1), ("epochs", 1), ("batch", -1), ("tsne", 2 * self.clients)):
            options.least(name, getattr(self, name), bound)
        options.least("seeds", len(self.seeds), 1)
        options.least("step", self.step, 1e-9)

    def choice(self, split: str) -> Choice:
        """The problem that is asked for."""
        task = self.task or TASKS.get(self.data, "logistic")
        batch = BATCHES.get(self.data, 50) if self.batch < 0 else self.batch
        return Choice(self.data, self.path, task, split, self.clients, batch, self.tsne)


@dataclass(frozen=True)
class Part:
    """One participation: its name, p, and the estimator of G."""

    name: str
    p: float
    estimator: str


@dataclass(frozen=True)
class Row:
    """A method's course under one operator and one participation."""

    operator: str
    part: Part
    course: Course

    @property
    def final(self) -> np.ndarray:
        """The final log10 excess of every seed."""
        return logarithm(self.course.excess[:, -LAST:].mean(axis=1))


def logarithm(excess: np.ndarray) -> np.ndarray:
    """log10, not below what rounding leaves."""
    return np.log10(np.maximum(excess, LEAST))


def parts(asked: Asked) -> list[Part]:
    """All clients, and each with probability p under both estimators."""
    everyone = Part("all", 1.0, "PP2")
    if asked.p >= 1:
        return [everyone]
    return [everyone, Part(f"p = {asked.p:g}, PP1", asked.p, "PP1"), Part(f"p = {asked.p:g}, PP2", asked.p, "PP2")]


def epoch_of(whole: Samples) -> int:
    """Rounds of an epoch: batches of the smallest client."""
    return max(min(whole.samples) // whole.batch, 1) if whole.batch else 1


def runs(asked: Asked, whole: Samples, console: Console) -> Iterator[Row]:
    """Every method under every operator and participation; SGD once, for it has no operator."""
    first = gradients(whole.gradients, whole.clients, whole.dim)
    rounds = asked.epochs * epoch_of(whole)
    step = asked.step / smoothness(whole, asked.smoothness)
    kits = {name: kit(name, first) for name in OPERATORS}
    for part in parts(asked):
        plan = Plan(asked.seeds, rounds, step, partly(part.p), every=max(rounds // POINTS, 1))
        for name in OPERATORS:
            chosen = [label for label in asked.algorithms if label != "SGD" or name == OPERATORS[0]]
            for one in methods(chosen, kits[name], part.estimator):
                yield Row(name, part, simulate(whole, one, plan))
        console.announce(
            f"{part.name}: {len(asked.algorithms)} algorithms, {rounds:,} rounds of {len(asked.seeds)} seeds"
        )


def reached(row: Row, level: float) -> tuple[str, str]:
    """Mbit at which the mean excess over the seeds first is at most a level: as they are sent, and on all links."""
    below = np.flatnonzero(row.course.excess.mean(axis=0) <= level)
    if not len(below):
        return "never", "never"
    once, links = (bits[:, below[0]].mean() / 1e6 for bits in (row.course.bits, row.course.bits_links))
    return f"{once:,.2f}", f"{links:,.2f}"


def level_of(rows: Sequence[Row], part: Part) -> float:
    """An excess that DIANA and MCM both reach: a quarter above the larger of their final ones."""
    finals = [row.final.mean() for row in rows if row.part == part and row.course.method.label in ("DIANA", "MCM")]
    return float(1.25 * 10 ** max(finals)) if finals else 0.0


def table(title: str, rows: Sequence[Row]) -> Table:
    """Final excess and bits of every row."""
    lines = []
    for row in rows:
        course, final = row.course, row.final
        spread = f" ± {final.std(ddof=1):.2f}" if len(final) > 1 else ""
        level = level_of(rows, row.part)
        lines.append(
            (
                course.method.label,
                row.operator if course.method.label != "SGD" else "-",
                row.part.name,
                f"{final.mean():.2f}{spread}" if np.isfinite(final).all() else "diverged",
                f"{course.bits[:, -1].mean() / 1e6:,.2f}",
                *reached(row, level),
                f"{level:.1e}",
            )
        )
    headings = ("algorithm", "operator", "clients", "log10 excess", "Mbit", "Mbit to reach", "on links", "this excess")
    return Table(title, headings, lines)


def panels(title: str, rows: Sequence[Row], epoch: int, labels: Sequence[str]) -> Iterator[Panel]:
    """Against epochs and against bits, for every participation and operator."""
    for part in dict.fromkeys(row.part for row in rows):
        for operator in dict.fromkeys(row.operator for row in rows):
            shown = [
                row
                for row in rows
                if row.part == part and (row.operator == operator or row.course.method.label == "SGD")
            ]
            for x in ("epochs", "Mbit up + down"):
                curves = [_curve(row, x, epoch, labels) for row in shown]
                yield Panel(f"{title}, {operator}, {part.name}", x, "log10 excess loss", curves, x != "epochs")


def _curve(row: Row, x: str, epoch: int, labels: Sequence[str]) -> Curve:
    course = row.course
    start = 0 if x == "epochs" else 1
    along = np.tile(course.rounds / epoch, (len(course.excess), 1)) if x == "epochs" else course.bits / 1e6
    good = np.isfinite(course.excess).all(axis=0) & (np.arange(course.excess.shape[1]) >= start)
    look = labels.index(course.method.label)
    return Curve(course.method.label, list(along[:, good]), list(logarithm(course.excess[:, good])), look)


def numbers(row: Row) -> dict[str, object]:
    """A row for the JSON file."""
    course = row.course
    columns = ("rounds", "excess", "up", "broadcast", "unicast", "heard")
    kept = {name: getattr(course, name).tolist() for name in columns}
    links = {"uplink": repr(course.method.uplink), "downlink": repr(course.method.downlink)}
    named = {"algorithm": course.method.label, "operator": row.operator, "participation": row.part.name}
    return named | links | {"final": row.final.tolist()} | kept


def main(arguments: Sequence[str]) -> None:
    """Run, then table, JSON, PNG and page."""
    asked, console = options.read(Asked, arguments, QUICK), Console("auto", quiet=False)
    torch.set_num_threads(1)
    command = " ".join(["python sims/figures/mcm_convex.py", *arguments])
    for split in SPLITS if asked.split == "both" else (asked.split,):
        whole = problem(asked.choice(split), asked.seeds, Path(asked.cache).expanduser(), console.announce)
        rows, title = list(runs(asked, whole, console)), f"{asked.data}, {split}"
        shown = table(title, rows)
        console.show(rendered(shown))
        folder = Path(asked.output)
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{asked.data}-{split}"
        facts = {
            "command": command,
            "options": options.fields(asked),
            "samples": whole.samples,
            "dim": whole.dim,
            "batch": whole.batch,
            "rounds_an_epoch": epoch_of(whole),
            "smoothness": smoothness(whole, asked.smoothness),
            "optimal_loss": whole.best.loss,
            "rows": [numbers(row) for row in rows],
        }
        replace_text(folder / f"{name}.json", json.dumps(facts))
        figure = drawn(list(panels(title, rows, epoch_of(whole), asked.algorithms)), 4)
        write_page(folder / f"{name}.html", f"MCM: {title}", command, save(figure, folder / f"{name}.png"), [shown])
        console.announce(f"figure and page: {folder}/{name}.html")


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
