"""Virtual time: what compression saves of it, and how well a deadline is learned.

    python sims/figures/virtual_time.py [parts=links,deadlines] [seeds=0,1,2] [seconds_a_sample=0,1e-4] [--quick]

links: the main job with MCM's links and with identity links, at 10 Mbit/s in each direction, all clients alike: virtual
seconds a round and to a common accuracy. Of a round, what compression saves follows from bytes:
    factor = (b_identity + c) / (b_MCM + c),   b = 8 bytes of a client, down and up / bandwidth,
    c = seconds_a_sample x samples x epochs of the client that has most.
deadlines: streams of rounds of K clients, a threshold learned (``fedkd.clocks.SkiRental``) from all finish times of
earlier rounds, against the best fixed one in hindsight. Every run has a folder below ``output``; what is finished is
not run again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from fedkd.cli import guarded
from fedkd.compose import compose
from fedkd.durable import replace_text
from fedkd.records import Console, History
from fedkd.records.summary import curve
from sims import options
from sims.plots import Curve, Panel, Table, drawn, rendered, save, spread, write_page
from sims.studies import Study
from sims.waiting import LAWS, Waiting, marks, waiting

LINKS = {"MCM": (), "identity": ("uplink=identity", "downlink=identity")}
TINY = (
    *("data=digits", "data.samples=300", "data.public=500", "clients=4", "partitioner=iid", "teacher.epochs=1"),
    *("teacher.model.channels=[4]", "teacher.model.hidden=8", "teacher.model.groups=2"),
)
PARTS, SIZES = ("links", "deadlines"), ("full", "tiny")
QUICK: dict[str, object] = {
    "seeds": (0,),
    "seconds_a_sample": (0.0, 1e-4),
    "size": "tiny",
    "rounds": 3,
    "accuracy": 0.1,
    "streams": 2,
    "waited": 60,
    "prices": (3.0,),
}


@dataclass(frozen=True)
class Asked:
    """Options of the command.

    Args:
        parts: what is studied.
        seeds: of the main job's runs.
        seconds_a_sample: virtual seconds that a client computes for a sample.
        mbit: million bits a second of a client's link, up and down.
        accuracy: of the test split, that all runs are to reach, in (0, 1).
        rounds: of the main job.
        size: "full" is the main job; "tiny" has four clients and little data.
        streams: of rounds, of each law, price and cohort.
        waited: rounds of a stream.
        cohorts: K.
        prices: of an update that is lost, in medians of the law.
        output: folder of the results.
    """

    parts: tuple[str, ...] = PARTS
    seeds: tuple[int, ...] = (0, 1, 2)
    seconds_a_sample: tuple[float, ...] = (0.0, 1e-4)
    mbit: float = 10.0
    accuracy: float = 0.8
    rounds: int = 20
    size: str = "full"
    streams: int = 20
    waited: int = 1000
    cohorts: tuple[int, ...] = (1, 10)
    prices: tuple[float, ...] = (1.0, 3.0, 10.0)
    output: str = "runs/virtual_time"

    def __post_init__(self) -> None:
        for name in self.parts:
            options.one_of("parts", name, PARTS)
        options.one_of("size", self.size, SIZES)
        for name, bound in (("rounds", 1), ("streams", 1), ("waited", 10), ("mbit", 1e-6), ("accuracy", 1e-6)):
            options.least(name, getattr(self, name), bound)
        for name, bound in (("seeds", 0), ("seconds_a_sample", 0), ("cohorts", 1), ("prices", 1e-6)):
            options.least(f"number of {name}", len(getattr(self, name)), 1)
            options.least(name, min(getattr(self, name)), bound)

    def values(self, links: str, pace: float, seed: int) -> dict[str, Any]:
        """The resolved configuration of one run of the main job."""
        clock = ("latency=constant", f"latency.seconds_a_sample={pace}")
        width = (f"latency.mbit_up={self.mbit}", f"latency.mbit_down={self.mbit}")
        quiet = ("recorder=quiet", "executor=local", "checkpoint_every=0")
        size = TINY if self.size == "tiny" else ()
        return compose([f"seed={seed}", f"rounds={self.rounds}", *LINKS[links], *clock, *width, *quiet, *size])


@dataclass(frozen=True)
class Pair:
    """The main job with compression and without, at one pace of computing; a run a seed."""

    pace: float
    runs: dict[str, list[History]]

    def a_round(self, links: str) -> list[float]:
        """Mean virtual seconds of a round, one a seed."""
        return [fmean(report.virtual_seconds for report in run.reports) for run in self.runs[links]]

    def until(self, links: str, accuracy: float) -> list[float]:
        """Virtual seconds until the accuracy is reached; infinite where it never is."""
        return [self._until(run, accuracy) for run in self.runs[links]]

    def predicted(self, mbit: float) -> list[float]:
        """The factor of a round that bytes and work alone give."""
        pairs = zip(self.runs["identity"], self.runs["MCM"], strict=True)
        return [
            (_transfer(long, mbit) + _compute(long, self.pace)) / (_transfer(short, mbit) + _compute(short, self.pace))
            for long, short in pairs
        ]

    @staticmethod
    def _until(run: History, accuracy: float) -> float:
        passed = list(accumulate(report.virtual_seconds for report in run.reports))
        there = (passed[index] for index, value in curve(run.reports, "accuracy") if value >= accuracy)
        return next(there, float("inf"))


def _transfer(run: History, mbit: float) -> float:
    """Mean seconds a round in which the bytes of one client travel."""
    sent = [(one.bytes_up + one.bytes_down_unicast) / len(one.cohort) + one.bytes_down_broadcast for one in run.reports]
    return 8e-6 * fmean(sent) / mbit


def _compute(run: History, pace: float) -> float:
    """Seconds a round that the client with most samples computes."""
    return pace * max(run.manifest["facts"]["samples"]) * float(run.manifest["configuration"]["trainer"]["epochs"])


def pairs(asked: Asked, study: Study) -> Iterator[Pair]:
    """All runs of the main job."""
    for pace in asked.seconds_a_sample:
        runs = {
            links: [study.run(f"{links}-{pace:g}-{seed}", asked.values(links, pace, seed)) for seed in asked.seeds]
            for links in LINKS
        }
        yield Pair(pace, runs)


def links_table(asked: Asked, found: Sequence[Pair]) -> Table:
    """Seconds a round and to the accuracy, and the factors between them."""
    rows = []
    for pair in found:
        short, long = pair.a_round("MCM"), pair.a_round("identity")
        soon, late = (pair.until(links, asked.accuracy) for links in ("MCM", "identity"))
        factors = [_ratios(long, short), pair.predicted(asked.mbit)]
        cells = [*(spread(each, ".4f") for each in (short, long)), *(spread(each, ".2f") for each in factors)]
        cells += [*(_reached(each, ".3f") for each in (soon, late)), _reached(_ratios(late, soon), ".2f")]
        rows.append((f"{pair.pace:g}", *cells))
    reach = f"to {100 * asked.accuracy:g} %"
    head = ("s a sample", "MCM, s a round", "identity", "factor", "from bytes")
    title = f"main job at {asked.mbit:g} Mbit/s: virtual seconds, mean ± deviation over {len(asked.seeds)} seeds"
    return Table(title, (*head, f"MCM, s {reach}", "identity", "factor"), rows)


def _reached(values: Sequence[float], form: str) -> str:
    return spread(values, form) if np.isfinite(values).all() else "never"


def _ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    return [one / other for one, other in zip(above, below, strict=True)]


def links_panels(found: Sequence[Pair]) -> Iterator[Panel]:
    """Accuracy against virtual seconds."""
    for pair in found:
        curves = []
        for look, (links, runs) in enumerate(pair.runs.items()):
            passed = [np.cumsum([report.virtual_seconds for report in run.reports]) for run in runs]
            values = [100 * np.array([value for _, value in curve(run.reports, "accuracy")]) for run in runs]
            curves.append(Curve(links, passed, values, look))
        yield Panel(f"{pair.pace:g} s a sample", "virtual seconds", "accuracy, %", curves, log_x=True)


def deadlines_table(found: Sequence[Waiting], rounds: int) -> Table:
    """Cost over that of the best fixed threshold in hindsight, in percent."""
    rows, tenth = [], marks(rounds).index(max(rounds // 10, 1))
    for one in found:
        tau, last = spread(one.tau.tolist(), ".2f"), one.excess[:, -1]
        shown = ((one.excess[:, tenth], ".1f"), (last, ".2f"), (one.known, ".2f"), (one.patient, ".0f"))
        cells = [spread(each.tolist(), form, 100) for each, form in shown]
        within = f"{int((last <= 0.02).sum())} of {len(last)}"
        rows.append((one.law.name, f"{one.price:g}", str(one.cohort), tau, *cells[:2], within, *cells[2:]))
    early = f"after {max(rounds // 10, 1)}, %"
    head = ("finish times", "price", "K", "best tau", early, "learned, %", "within 2 %", "law known, %", "all, %")
    title = f"cost above the best fixed threshold in hindsight, {rounds} rounds, {len(found[0].tau)} streams"
    return Table(title, head, rows)


def deadlines_panels(found: Sequence[Waiting], rounds: int) -> Iterator[Panel]:
    """Excess against rounds, a panel a law."""
    looks = sorted({(one.cohort, one.price) for one in found})
    for law in dict.fromkeys(one.law for one in found):
        curves = []
        for one in (each for each in found if each.law == law):
            x, label = np.array(marks(rounds), dtype=np.float64), f"K = {one.cohort}, price {one.price:g}"
            look = looks.index((one.cohort, one.price))
            curves.append(Curve(label, [x], [100 * one.excess.mean(axis=0)], look, dashed=one.cohort > 1))
        yield Panel(f"{law.name}: {law.means}", "rounds", "% above the best fixed", curves, log_x=True)


def record(found: Sequence[Waiting]) -> list[dict[str, object]]:
    """For the JSON file."""
    names = ("tau", "excess", "known", "patient")
    return [
        {"law": one.law.name, "price": one.price, "cohort": one.cohort}
        | {name: getattr(one, name).tolist() for name in names}
        for one in found
    ]


def main(arguments: Sequence[str]) -> None:
    """Study, then tables, JSON, PNG and page."""
    asked, console = options.read(Asked, arguments, QUICK), Console("auto", quiet=False)
    torch.set_num_threads(1)
    folder = Path(asked.output)
    folder.mkdir(parents=True, exist_ok=True)
    tables: list[Table] = []
    panels: list[Panel] = []
    kept: dict[str, object] = {}
    if "links" in asked.parts:
        both = list(pairs(asked, Study(folder, console)))
        tables.append(links_table(asked, both))
        panels += links_panels(both)
        kept["links"] = [dict(zip(tables[-1].headings[:5], row, strict=False)) for row in tables[-1].rows]
    if "deadlines" in asked.parts:
        settings = [(law, price, cohort) for law in LAWS for cohort in asked.cohorts for price in asked.prices]
        found = [waiting(*setting, asked.waited, asked.streams) for setting in settings]
        tables.append(deadlines_table(found, asked.waited))
        panels += deadlines_panels(found, asked.waited)
        kept["deadlines"] = record(found)
    for table in tables:
        console.show(rendered(table))
    command = " ".join(["python sims/figures/virtual_time.py", *arguments])
    facts = {"command": command, "options": options.fields(asked), **kept}
    replace_text(folder / "virtual_time.json", json.dumps(facts, indent=1))
    png = save(drawn(panels, min(len(panels), 2)), folder / "virtual_time.png")
    write_page(folder / "virtual_time.html", "Virtual time", command, png, tables)
    console.announce(f"figure and page: {folder}/virtual_time.html")


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
