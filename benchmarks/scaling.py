"""How a round of fedkd grows with clients, parameters and cores, and a job's memory with the population.

    python benchmarks/scaling.py [memory clients parameters cores] [--quick] [--out FILE.json] [--figures FOLDER]

Two local workers, identity links and MCM r = 1, 100 samples a client, batch 20, one epoch, SGD .05. clients: 10 to
1,000 a round of 1,000, MLP 784-32-10. parameters: 10^4 to 10^7, MLPs 784-w-w-10, 10 clients. cores: one worker a core,
the models and cohorts of rounds.py. memory: populations of 100 to 10,000, of which 10 take part in a round, with the
FedAvg CNN; the most PSS of all processes of a job. Clients take their samples from the same 2,000. Printed with each
line is the exponent k of the least-squares fit log(cost) = k log(size) + c. The jobs of a curve run in turn, round by
round, so that an exponent holds on a machine whose speed drifts. With --quick the sizes are small and mean nothing.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import math
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from peers import family
from peers.machine import machine

if TYPE_CHECKING:
    from fedkd.build import Setup

LINKS, CNN, MLP = ("identity", "MCM r=1"), "cnn", "mlp"
COHORT, SAMPLES, HELD, WORKERS = 10, 100, 2_000, 2
WARM_UP, EVERY = 1, 0.1
"""Rounds that do not count; seconds between two looks at the memory."""
LABELLED = 6
"""So many sizes are too many for labels of their own."""
COLOURS, SIZE = ("#1668b8", "#b8551c", "#3f8f4f", "#7a4fa3"), (4.8, 3.2)
Costs = dict[str, list[float]]


@dataclass(frozen=True)
class Plan:
    """Sizes of every curve.

    Args:
        rounds: that count, of every job.
        clients: a round, of as many as the largest.
        models: of the cores' curve.
    """

    rounds: int
    clients: Sequence[int]
    parameters: Sequence[int]
    populations: Sequence[int]
    models: Sequence[str]


FULL = Plan(
    rounds=4,
    clients=(10, 30, 100, 300, 1_000),
    parameters=(10**4, 3 * 10**4, 10**5, 3 * 10**5, 10**6, 3 * 10**6, 10**7),
    populations=(100, 1_000, 10_000),
    models=(CNN, MLP),
)
QUICK = Plan(rounds=1, clients=(2, 4), parameters=(10**4, 2 * 10**4), populations=(10, 20), models=(MLP,))


@dataclass(frozen=True)
class Curve:
    """What a size costs.

    Args:
        name: of its figure.
        size: what is on the horizontal axis.
        cost: what is on the vertical one.
        sizes: in increasing order.
        costs: of every size, for every line.
    """

    name: str
    size: str
    cost: str
    sizes: Sequence[int]
    costs: Costs

    @property
    def exponents(self) -> dict[str, float]:
        """Of every line."""
        return {name: exponent(self.sizes, line) for name, line in self.costs.items()}


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The slope k of the line through log(size) and log(cost) with the least squares."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def in_turn(jobs: Mapping[str, Sequence[Setup]], rounds: int) -> Costs:
    """The median seconds a round of every job, by the name of its line."""
    from workload import rounds as started

    spent: dict[str, list[list[float]]] = {name: [[] for _ in line] for name, line in jobs.items()}
    with ExitStack() as stack:
        running = [
            (seconds, stack.enter_context(started(job)))
            for name, line in jobs.items()
            for seconds, job in zip(spent[name], line, strict=True)
        ]
        for _ in range(WARM_UP + rounds):
            for seconds, models in running:
                began = time.perf_counter()
                next(models)
                seconds.append(time.perf_counter() - began)
    return {name: [statistics.median(one[WARM_UP:]) for one in line] for name, line in spent.items()}


def job(model: Sequence[str], links: str, clients: int, cohort: int, workers: int) -> Setup:
    """Workers' settings, and clients that take their samples from the same few."""
    import workload

    overrides = (*model, *workload.LINKS[links], f"participation.size={cohort}", f"executor.workers={workers}")
    parts = [np.arange(client, client + SAMPLES) % HELD for client in range(clients)]
    return workload.setup(overrides, workload.images(HELD), parts)


def clients(plan: Plan) -> Curve:
    """Seconds against clients a round."""
    model, population = ("model=mlp", "model.hidden=[32]"), max(plan.clients)
    jobs = {links: [job(model, links, population, size, WORKERS) for size in plan.clients] for links in LINKS}
    return Curve("clients", "clients a round", "seconds a round", plan.clients, in_turn(jobs, plan.rounds))


def parameters(plan: Plan) -> Curve:
    """Seconds against parameters."""
    models = [("model=mlp", f"model.hidden=[{(width := breadth(size))},{width}]") for size in plan.parameters]
    jobs = {links: [job(model, links, COHORT, COHORT, WORKERS) for model in models] for links in LINKS}
    sizes = [len(one.model) for one in jobs[LINKS[0]]]
    return Curve("parameters", "parameters", "seconds a round", sizes, in_turn(jobs, plan.rounds))


def cores(plan: Plan) -> Curve:
    """Seconds against workers, each on a core."""
    from workload import MODELS

    sizes = range(1, max(2, os.cpu_count() or 1) + 1)
    jobs = {
        f"{model}, {links}": [job(MODELS[model], links, COHORT * COHORT, COHORT, size) for size in sizes]
        for model, links in itertools.product(plan.models, LINKS)
    }
    return Curve("cores", "workers, one a core", "seconds a round", sizes, in_turn(jobs, plan.rounds))


def memory(plan: Plan) -> Curve:
    """Memory against the population."""
    found = [peak(plan.models[0], size, plan.rounds) for size in plan.populations]
    return Curve("memory", "clients", "MiB of all processes", plan.populations, {f"{plan.models[0]}, MCM r=1": found})


def breadth(parameters: int) -> int:
    """The width w with which 784-w-w-10 has about so many parameters: w^2 + 796 w + 10."""
    return round(math.sqrt(398**2 + parameters - 10) - 398)


def peak(model: str, population: int, rounds: int) -> float:
    """The most memory of a job that is started afresh, in MiB.

    Nothing here may have loaded torch yet: pages that this process has too would not count in full.
    """
    process = multiprocessing.get_context("spawn").Process(target=_train, args=(model, population, rounds))
    process.start()
    most = 0.0
    while process.is_alive():
        most = max(most, family.memory(os.getpid()))
        process.join(EVERY)
    assert process.exitcode == 0, f"a job of {population} clients ended with exit code {process.exitcode}"
    return most


def _train(model: str, population: int, rounds: int) -> None:
    from workload import MODELS

    in_turn({"": [job(MODELS[model], "MCM r=1", population, COHORT, WORKERS)]}, rounds)


def draw(curve: Curve) -> str:
    """A figure on logarithmic axes, as the text of an SVG file."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    from fedkd.records.svg import GRID, INK, MUTED, style

    with style():
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        for (name, costs), colour in zip(curve.costs.items(), COLOURS, strict=False):
            label = f"{name}: exponent {curve.exponents[name]:z.2f}"
            axes.loglog(curve.sizes, costs, color=colour, marker="o", markersize=3, label=label)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:,g}")
            axis.set_minor_formatter(NullFormatter())
        if len(curve.sizes) < LABELLED:
            axes.set_xticks(curve.sizes)
        least, most = min(map(min, curve.costs.values())), max(map(max, curve.costs.values()))
        if most < 10 * least:
            # What does not grow must not look as if it did.
            axes.set_ylim(least / 5, most * 5)
        axes.set_xlabel(curve.size)
        axes.set_ylabel(curve.cost)
        axes.legend(frameon=False)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", facecolor="white", metadata={"Date": None})
    text = buffer.getvalue()
    for mark, colour in ((INK, "#1f2328"), (MUTED, "#59636e"), (GRID, "#d8dee4")):
        text = text.replace(mark, colour)
    return text


CURVES: dict[str, Callable[[Plan], Curve]] = {
    "memory": memory,
    "clients": clients,
    "parameters": parameters,
    "cores": cores,
}
"""Memory comes first: see ``peak``."""


def show(curve: Curve) -> None:
    """Print a curve, and how it grows."""
    print(f"\n{curve.cost} against {curve.size}" + "".join(f"{size:>11,}" for size in curve.sizes))
    for name, costs in curve.costs.items():
        print(f"  {name:<18} exponent {curve.exponents[name]:z6.2f} " + "".join(f"{cost:11.4g}" for cost in costs))


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("curves", nargs="*", choices=[*CURVES, []])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--figures", type=Path, help="where the figures go; docs/figures has those of the documents")
    options = parser.parse_args()
    plan, found = QUICK if options.quick else FULL, []
    results = {"machine": machine(), "plan": asdict(plan), "curves": found}
    for name, measure in CURVES.items():
        if name in (options.curves or CURVES):
            curve = measure(plan)
            show(curve)
            found.append({**asdict(curve), "sizes": list(curve.sizes), "exponents": curve.exponents})
            if options.figures:
                (options.figures / f"scaling-{name}.svg").write_text(draw(curve), encoding="utf-8")
    if options.out:
        options.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
