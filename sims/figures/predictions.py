"""Learned predictions: regret against its bounds, cost against error, and where a client's state should lie.

    python sims/figures/predictions.py [part=regret,error,hosts] [seeds=0,1,2,3,4] [--quick]

Regret: what learners lose on average, beside the best fixed prediction and what their bounds allow. Error: what
algorithms with predictions pay over the optimum as predictions get worse, beside their bounds. Hosts: what a page costs
a request, on hosts in racks, by where requests come from and how the page is placed. All instances are made up.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fedkd.cli import guarded
from fedkd.durable import replace_text
from fedkd.records import Console
from sims import options
from sims.plots import Curve, Panel, Table, drawn, rendered, save, spread, write_page
from sims.predictions import errors, hosts, regrets

QUICK: dict[str, object] = {"seeds": (0, 1), "instances": 40, "repeats": 3, "requests": 12, "moves": (0.5, 8.0)}
WAYS = ("sticky", "greedy", "coin", "predicted", "optimum")
Part = tuple[list[Table], list[Panel], object]


@dataclass(frozen=True)
class Asked:
    """Options of the command.

    Args:
        part: which of "regret", "error", "hosts".
        seeds: of the instances.
        instances: of each learner.
        repeats: instances at each error.
        requests: of each page.
        moves: D of the pages.
        output: folder of the results.
    """

    part: tuple[str, ...] = ("regret", "error", "hosts")
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    instances: int = 1000
    repeats: int = 50
    requests: int = 200
    moves: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0)
    output: str = "runs/predictions"

    def __post_init__(self) -> None:
        for part in self.part:
            options.one_of("part", part, tuple(PARTS))
        for name in ("part", "seeds", "moves"):
            options.least(name, len(getattr(self, name)), 1)
        for name, bound in (("instances", 1), ("repeats", 1), ("requests", 2)):
            options.least(name, getattr(self, name), bound)
        options.least("moves", min(self.moves), 0.5)


def regret(asked: Asked) -> Part:
    """Every learner on every seed."""
    found = {
        name: [regrets.course(steps(np.random.default_rng(seed)), asked.instances) for seed in asked.seeds]
        for name, steps in regrets.APPLICATIONS.items()
    }
    panels, rows = [], []
    for name, courses in found.items():
        kinds = {kind: [getattr(one, kind) for one in courses] for kind in ("learned", "best", "bound", "cost")}
        counts = [np.array(one.counts) for one in courses]
        looks = (("learned", "learned", 0), ("best", "best fixed prediction", 1), ("bound", "best + regret's bound", 7))
        curves = [Curve(label, counts, [np.array(one) for one in kinds[kind]], look) for kind, label, look in looks]
        logarithmic = not name.startswith("ski")
        panels.append(Panel(name, "instances", regrets.UNITS[name], curves, log_x=True, log_y=logarithmic))
        rows.append((name, *(spread([one[-1] for one in kinds[kind]], ".3g") for kind in kinds)))
    headings = ("learner", "learned", "best fixed", "best + bound", "paid")
    table = Table(f"Means over {asked.instances} instances", headings, rows)
    updates, panel = _updates(asked, found["duals"])
    kept = {name: [asdict(one) for one in each] for name, each in found.items()}
    return [table, updates], [*panels, panel], kept


def _updates(asked: Asked, warm: Sequence[regrets.Course]) -> tuple[Table, Panel]:
    """Dual updates of matchings from zero and from learned duals."""
    counts = np.array(warm[0].counts)
    sums = [np.cumsum(regrets.cold(seed, asked.instances))[counts - 1] for seed in asked.seeds]
    cold, learned = [each / counts for each in sums], [np.array(one.cost) for one in warm]
    row = [spread([each[-1] for each in kind], ".2f") for kind in (cold, learned)]
    others = zip(*(regrets.cohorts(seed, asked.instances) for seed in asked.seeds), strict=True)
    rows = [("the same clients", *row), ("8 of 100", *(spread([each.mean() for each in one], ".2f") for one in others))]
    x = [counts] * len(warm)
    curves = [Curve("learned", x, learned, 0), Curve("from zero", x, cold, 4)]
    panel = Panel("duals: what is paid", "instances", "dual updates", curves, log_x=True)
    return Table("Dual updates of an 8 x 8 matching", ("cohort", "from zero", "from learned duals"), rows), panel


def error(asked: Asked) -> Part:
    """Every algorithm at every error on every seed."""
    found = {name: [errors.lines(name, seed, asked.repeats) for seed in asked.seeds] for name in errors.APPLICATIONS}
    panels, rows = [], []
    for name, seeds in found.items():
        curves = []
        for look, lines in enumerate(zip(*seeds, strict=True), start=2):
            x = [np.maximum(one.errors, errors.LEAST[name]) for one in lines]
            curves.append(Curve(lines[0].name, x, [np.array(one.paid) for one in lines], look))
            bounds = [np.array(one.bound) for one in lines]
            curves.append(Curve(f"{lines[0].name}, bound", x, bounds, look, dashed=True))
            rows.append((name, lines[0].name, *(cell for place in (0, 3, -1) for cell in _cells(lines, place))))
        unit = "dual updates" if name == "duals" else "cost/optimum"
        panels.append(Panel(f"{name}: error", errors.ERRORS[name], unit, curves, log_x=True))
    headings = ("algorithm", "", "exact", "bound", "at the fourth error", "bound", "at the last", "bound")
    table = Table("Cost over optimum, of matching dual updates", headings, rows)
    kept = {name: [[asdict(line) for line in lines] for lines in seeds] for name, seeds in found.items()}
    return [table], panels, kept


def _cells(lines: Sequence[errors.Line], place: int) -> tuple[str, str]:
    return spread([one.paid[place] for one in lines], ".2f"), f"{np.mean([one.bound[place] for one in lines]):.2f}"


def pages(asked: Asked) -> Part:
    """Every pattern at every D on every seed."""
    studies = [hosts.study(seed, asked.moves, asked.requests) for seed in asked.seeds]
    rows = []
    for seeds in zip(*(found for found, _ in studies), strict=True):
        costs = (spread([one.costs[way] for one in seeds], ".2f") for way in WAYS)
        rows.append((seeds[0].pattern, f"{seeds[0].move:g}", *costs))
    table = Table("Cost a request, distance within a rack = 1", ("requests", "D", *WAYS), rows)
    spans = [(name, spread([each[name] for _, each in studies], ".3f")) for name in studies[0][1]]
    kept = [{"paid": [asdict(one) for one in found], "makespan": spans} for found, spans in studies]
    panels = _panels([found for found, _ in studies])
    return [table, Table("Makespan over its lower bound", ("queue", "makespan"), spans)], panels, kept


def _panels(studies: Sequence[Sequence[hosts.Paid]]) -> list[Panel]:
    """One for each pattern of requests that costs anything: what each way pays against D."""
    panels = []
    for pattern in dict.fromkeys(one.pattern for one in studies[0]):
        seeds = [[one for one in study if one.pattern == pattern] for study in studies]
        x = [np.array([one.move for one in points]) for points in seeds]
        costs = {way: [np.array([one.costs[way] for one in points]) for points in seeds] for way in WAYS}
        curves = [Curve(way, x, costs[way], look) for look, way in enumerate(WAYS)]
        if any(each.any() for each in costs["greedy"]):
            panels.append(Panel(pattern, "D", "cost a request", curves, log_x=True, log_y=True))
    return panels


PARTS: dict[str, Callable[[Asked], Part]] = {"regret": regret, "error": error, "hosts": pages}


def main(arguments: Sequence[str]) -> None:
    """Run the parts, then tables, JSON, PNG and page of each."""
    asked, console = options.read(Asked, arguments, QUICK), Console("auto", quiet=False)
    command, folder = " ".join(["python sims/figures/predictions.py", *arguments]), Path(asked.output)
    folder.mkdir(parents=True, exist_ok=True)
    for part in asked.part:
        tables, panels, kept = PARTS[part](asked)
        for table in tables:
            console.show(rendered(table))
        facts = {"command": command, "options": options.fields(asked), part: kept}
        replace_text(folder / f"{part}.json", json.dumps(facts, indent=1))
        if panels:
            png = save(drawn(panels, 3 if len(panels) > 4 else 2), folder / f"{part}.png")
            write_page(folder / f"{part}.html", f"Learned predictions: {part}", command, png, tables)
    console.announce(f"results: {folder}")


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
