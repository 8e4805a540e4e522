"""MCM with dither against MCM with a tuned quantiser and Elias codes: bits a client until 1e-4 of the initial excess.

    python sims/figures/mcm_bits.py [dims=100,1000] [--quick]

A heterogeneous quadratic without noise: N = 10 clients, eigenvalues geometric in [.05, 1] along random directions,
centres standard normal. For each operator its parameter, the step size and the memories' rate are tuned, the same in
both directions; the dither must need no more rounds than the tuned quantiser. A client's bits are those it sends and
those of the broadcasts, of whole messages; payload is without the headers of message and frame, which every operator
has alike, and with the one scale of a message in float32, as networks send it (here all is float64).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from fedkd.cli import guarded
from fedkd.durable import replace_text
from fedkd.links import Link, Shift
from fedkd.records import Console
from fedkd_compression import QSGD, Key, SubtractiveDither, measure
from sims import options
from sims.convex import downs, elias, ups
from sims.convex.engine import Course, Plan, simulate
from sims.convex.methods import Method, measured, method
from sims.convex.problems import Quadratic
from sims.plots import Curve, Panel, Table, drawn, rendered, save, write_page

LEAST = 0.05
"""The smallest eigenvalue; the largest, and so L, is 1."""
DITHERS = (1.0, 1.5, 2.0, 2.25, 2.5, 2.75, 3.0, 3.5)
LEVELS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.5)
"""Of the quantiser, in units of the square root of d."""
STEPS = (1.0, 0.7, 0.5)
QUICK: dict[str, object] = {"dims": (20,), "seeds": (0,), "rounds": 400}
DOUBLE, SINGLE = 8, 4
"""Bytes of a scale."""
Rate = Literal["auto", "largest"]
Quantiser = SubtractiveDither | QSGD
Unit = Literal["bits", "payload"]
UNITS: tuple[Unit, ...] = ("bits", "payload")


@dataclass(frozen=True)
class Asked:
    """Options of the command.

    Args:
        dims: d of each problem.
        clients: N.
        seeds: of the runs.
        rounds: after which a setting is given up.
        target: of the initial excess.
        output: folder of the results.
    """

    dims: tuple[int, ...] = (100, 1000)
    clients: int = 10
    seeds: tuple[int, ...] = (0, 1, 2)
    rounds: int = 800
    target: float = 1e-4
    output: str = "runs/mcm_bits"

    def __post_init__(self) -> None:
        for name, bound in (("clients", 1), ("rounds", 1)):
            options.least(name, getattr(self, name), bound)
        options.least("seeds", len(self.seeds), 1)
        options.least("dims", min(self.dims, default=0), 2)


@dataclass(frozen=True)
class Trial:
    """One setting: its course as far as all seeds reached the target, and what it took a client.

    Args:
        kind: "dither" or "Elias".
        rounds: mean over the seeds; infinite where one never reached it.
        bits: of whole messages.
        payload: without headers, with scales in float32.
    """

    kind: str
    operator: Quantiser
    step: float
    rate: Rate
    course: Course
    rounds: float
    bits: float
    payload: float


def operators(dim: int) -> Iterator[tuple[str, Quantiser]]:
    """All that are tried."""
    yield from (("dither", SubtractiveDither(step=step)) for step in DITHERS)
    levels = {max(round(share * dim**0.5), 1) for share in LEVELS}
    yield from (("Elias", QSGD(levels=count, norm="l2")) for count in sorted(levels))


def mcm(kind: str, operator: Quantiser, rate: Rate, dim: int) -> Method:
    """MCM with an operator in both directions; both memories start at zero, as the model does."""
    omega = operator.omega(dim)
    assert omega is not None
    link = Link(operator, Shift("auto" if rate == "auto" else 1 / (1 + omega), "zero"))
    counted = elias.measured if kind == "Elias" else measured
    return replace(method(kind, ["algorithm=mcm"], counted), uplink=link, downlink=link)


def trials(asked: Asked, dim: int) -> Iterator[Trial]:
    """Every setting."""
    base = Quadratic.drawn(asked.clients, dim, LEAST, seed=0)
    target = asked.target * base.excess(torch.zeros(1, dim, dtype=torch.float64))[0]
    for kind, operator in operators(dim):
        for rate in ("auto", "largest"):
            for step in STEPS:
                plan = Plan(asked.seeds, asked.rounds, step, until=target)
                course = simulate(base, mcm(kind, operator, rate, dim), plan)
                yield Trial(kind, operator, step, rate, course, *spent(course, operator, asked.clients, target))


def spent(course: Course, operator: Quantiser, clients: int, target: float) -> tuple[float, float, float]:
    """Rounds, bits a client, and their payload, until each seed first was at most at the target: the means."""
    there = course.excess <= target
    if not there.any(axis=1).all():
        return float("inf"), float("inf"), float("inf")
    first, runs = there.argmax(axis=1), np.arange(len(there))
    bits = 8 * (course.up[runs, first] / clients + course.broadcast[runs, first])
    dim = course.models.shape[1]
    frame = measure(operator, torch.zeros(1, dim, dtype=torch.float64), Key.of(0))[0].header[0]
    headers = 8 * (ups.HEADER + downs.HEADER + 2 * (frame + DOUBLE - SINGLE))
    rounds = course.rounds[first]
    return float(rounds.mean()), float(bits.mean()), float((bits - headers * rounds).mean())


def best(found: Sequence[Trial], what: Unit) -> tuple[Trial, Trial]:
    """Of each kind the setting of fewest bits; of the dither, among those that need no more rounds."""
    quantiser = min((trial for trial in found if trial.kind == "Elias"), key=lambda trial: spend(trial, what))
    able = [trial for trial in found if trial.kind == "dither" and trial.rounds <= quantiser.rounds]
    # Where none is as fast, the fastest: the table shows by how much it is slower.
    fastest = min((trial for trial in found if trial.kind == "dither"), key=lambda trial: trial.rounds)
    return min(able or [fastest], key=lambda trial: spend(trial, what)), quantiser


def spend(trial: Trial, what: Unit) -> float:
    """Bits a client."""
    return trial.bits if what == "bits" else trial.payload


def ratio(found: Sequence[Trial], what: Unit) -> float:
    """How many times the bits of the dither the quantiser needs, each at its best."""
    dither, quantiser = best(found, what)
    return spend(quantiser, what) / spend(dither, what)


def table(dim: int, found: Sequence[Trial]) -> Table:
    """Every operator's setting of fewest bits, and after it the best of each kind in whole messages and in payload."""
    rows = []
    for operator in dict.fromkeys(trial.operator for trial in found):
        own = [trial for trial in found if trial.operator == operator]
        rows.append(_row(min(own, key=lambda trial: trial.bits), ""))
    for what in UNITS:
        rows += [_row(trial, f"best, {what}") for trial in best(found, what)]
    said = ", ".join(f"{what} {ratio(found, what):.2f}" for what in UNITS)
    headings = ("operator", "", "step", "rate", "rounds", "kbit a client", "payload, kbit")
    return Table(f"d = {dim}: Elias / dither: {said}", headings, rows)


def _row(trial: Trial, mark: str) -> tuple[str, ...]:
    operator = trial.operator
    name = (
        f"dither, r = {operator.step:g}" if isinstance(operator, SubtractiveDither) else f"QSGD, s = {operator.levels}"
    )
    if not np.isfinite(trial.rounds):
        return name, mark, "-", "-", "never", "-", "-"
    numbers = f"{trial.rounds:.0f}", f"{trial.bits / 1e3:.1f}", f"{trial.payload / 1e3:.1f}"
    return name, mark, f"{trial.step:g}", trial.rate, *numbers


def panel(dim: int, found: Sequence[Trial], clients: int) -> Panel:
    """Excess against bits of the two best settings."""
    curves = []
    for look, trial in enumerate(best(found, "bits")):
        course, label = trial.course, f"{trial.kind}, d = {dim}"
        bits = 8 * (course.up / clients + course.broadcast)[:, 1:] / 1e3
        curves.append(Curve(label, list(bits), list(np.log10(course.excess[:, 1:] / course.excess[:, :1])), look))
    return Panel(f"d = {dim}", "kbit a client, up + down", "log10 of the initial excess", curves)


def numbers(trial: Trial) -> dict[str, object]:
    """A setting for the JSON file; what was never reached is null."""
    kept = {name: getattr(trial, name) for name in ("rounds", "bits", "payload")}
    given = {"kind": trial.kind, "operator": repr(trial.operator), "step": trial.step, "rate": trial.rate}
    return given | {name: value if np.isfinite(value) else None for name, value in kept.items()}


def main(arguments: Sequence[str]) -> None:
    """Tune, then table, JSON, PNG and page."""
    asked, console = options.read(Asked, arguments, QUICK), Console("auto", quiet=False)
    torch.set_num_threads(1)
    command, folder = " ".join(["python sims/figures/mcm_bits.py", *arguments]), Path(asked.output)
    folder.mkdir(parents=True, exist_ok=True)
    tables, panels, kept = [], [], {}
    for dim in asked.dims:
        found = list(trials(asked, dim))
        tables.append(table(dim, found))
        panels.append(panel(dim, found, asked.clients))
        kept[dim] = {
            "ratio": {what: ratio(found, what) for what in UNITS},
            "best": {what: [numbers(one) for one in best(found, what)] for what in UNITS},
            "all": [numbers(one) for one in found],
        }
        console.show(rendered(tables[-1]))
    facts = {"command": command, "options": options.fields(asked), "dims": kept}
    replace_text(folder / "mcm_bits.json", json.dumps(facts, indent=1))
    png = save(drawn(panels, len(panels)), folder / "mcm_bits.png")
    write_page(folder / "mcm_bits.html", "MCM: dither against Elias codes", command, png, tables)
    console.announce(f"figure and page: {folder}/mcm_bits.html")


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
