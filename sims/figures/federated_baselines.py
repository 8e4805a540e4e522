"""Federated baselines and their links: accuracy, bits and seconds of every method with every kind of link.

    python sims/figures/federated_baselines.py [key=value ...] [--methods FedAvg FedKD] [--links none MCM] [--quick]

Methods: FedAvg, FedProx, FedAvg with a local teacher (trained before, on the client alone, beside the student, or the
global model; TS and ATS), FedKD, FedNTD, FedGKD, FedDistill+. Links: none, DIANA, Artemis, MCM; for FedKD also its own,
singular vectors with 95% of the energy. Fashion-MNIST, 20 clients, Dirichlet .3. The default is scaled to two cores.
Every run has a folder below ``--output``: what is finished is not run again. Overrides (key=value) go to every run, for
instance rounds=50 or solver.learning_rate=0.05.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from fedkd.cli import guarded
from fedkd.compose import compose
from fedkd.durable import replace_text
from fedkd.errors import ConfigurationError
from fedkd.records import Console, History
from fedkd.records.summary import curve
from sims.plots import Curve, Panel, Table, drawn, rendered, save, spread, write_page
from sims.studies import Study, last, read_seeds

SMALL_TEACHER = ("teacher.model.channels=[8,16]", "teacher.model.hidden=32")
LOCAL = ("teacher=local", *SMALL_TEACHER, "teacher.epochs=4")
TS, ATS = (
    tuple(f"task.{name}={value}" for name, value in (("tau_true", true), ("tau_other", 2.0), ("tau_student", 1.0)))
    for true in (2.0, 3.0)
)
METHODS: dict[str, tuple[str, ...]] = {
    "FedAvg": ("task=supervised",),
    "FedProx": ("experiment=fedprox",),
    "KD, pretrained, TS": ("teacher=pretrained", *TS),
    "KD, pretrained, ATS": ("teacher=pretrained", *ATS),
    "KD, local, TS": (*LOCAL, *TS),
    "KD, local, ATS": (*LOCAL, *ATS),
    "KD, co-trained, TS": ("teacher=co_trained", *SMALL_TEACHER, *TS),
    "KD, global model, TS": ("teacher=global_model", *TS),
    "FedKD": ("experiment=fedkd", *SMALL_TEACHER),
    "FedNTD": ("experiment=fedntd",),
    "FedGKD": ("experiment=fedgkd",),
    "FedDistill+": ("experiment=feddistill",),
}
LINKS = {"none": "sgd", "DIANA": "diana", "Artemis": "artemis", "MCM": "mcm", "SVD": "fedkd"}
OWN = {"SVD": ("FedKD",)}
"""Links that belong to some methods alone."""
SIZE = (
    *("data=fashion", "data.samples=4000", "data.public=1000", "data.test=2000", "clients=20", "rounds=25"),
    *("partitioner=dirichlet", "partitioner.alpha=0.3", "trainer.epochs=1", "trainer.batch_size=20"),
)
FEW = (
    *("data=digits", "data.samples=160", "data.public=100", "data.test=100", "clients=4", "rounds=2"),
    *("partitioner=dirichlet", "partitioner.alpha=0.3", "trainer.epochs=1", "model.hidden=[8]", "executor=local"),
)
QUIETLY = ("recorder=quiet", "store=memory", "checkpoint_every=0")


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Args:
        overrides: of every run.
    """

    methods: Sequence[str]
    links: Sequence[str]
    seeds: Sequence[int]
    overrides: Sequence[str]
    output: Path
    quick: bool

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Methods with their links, in the order of the table."""
        return [
            (method, link) for method in self.methods for link in self.links if link not in OWN or method in OWN[link]
        ]

    def of_run(self, method: str, link: str, seed: int) -> list[str]:
        """The overrides of one run."""
        size = FEW if self.quick else SIZE
        chosen = [*METHODS[method], f"algorithm={LINKS[link]}", f"seed={seed}"]
        return [*size, *QUIETLY, *chosen, *self.overrides]


@dataclass(frozen=True)
class Row:
    """One method with one kind of link: a run a seed."""

    method: str
    link: str
    runs: tuple[History, ...]

    @property
    def accuracies(self) -> list[float]:
        """Of the server's model: mean of the last evaluations, one a seed."""
        return last(self.runs, "accuracy")

    @property
    def megabits_up(self) -> list[float]:
        """Of all clients, headers included, one a seed."""
        return [8e-6 * sum(report.bytes_up for report in run.reports) for run in self.runs]

    @property
    def megabits_down(self) -> list[float]:
        """Broadcast once, unicast each, one a seed."""
        return [8e-6 * sum(report.bytes_down for report in run.reports) for run in self.runs]

    @property
    def seconds(self) -> list[float]:
        """The median round, one a seed: the first one may train teachers."""
        return [statistics.median(report.seconds for report in run.reports) for run in self.runs]

    def curve(self, look: int) -> Curve:
        """Accuracy in percent against megabits up and down."""
        xs, ys = [], []
        for run in self.runs:
            sent = list(accumulate(8e-6 * report.bytes_total for report in run.reports))
            points = curve(run.reports, "accuracy")
            xs.append(np.array([sent[index] for index, _ in points]))
            ys.append(100 * np.array([value for _, value in points]))
        return Curve(self.method, xs, ys, look, dashed=look >= len(METHODS) // 2)


def rows(asked: Request, study: Study) -> Iterator[Row]:
    """Run what is missing, link by link, so that a table that is cut off has whole columns; a row after each run."""
    for link in asked.links:
        for method in (method for method, other in asked.pairs if other == link):
            runs: tuple[History, ...] = ()
            for seed in asked.seeds:
                name, values = f"{_word(method)}/{_word(link)}-{seed}", compose(asked.of_run(method, link, seed))
                shelf = study.folder / "local_teachers" / _teachers(values)
                _copy(shelf, study.folder / name / "teachers")
                runs = (*runs, study.run(name, values))
                _copy(study.folder / name / "teachers", shelf)
                yield Row(method, link, runs)


def _word(name: str) -> str:
    """A name as a folder's."""
    return "".join(letter if letter.isalnum() or letter == "+" else "_" for letter in name.lower())


def _teachers(values: Mapping[str, Any]) -> str:
    """What local teachers are a function of, in a word: not of links, and not of temperatures."""
    about = {name: values[name] for name in ("seed", "clients", "data", "partitioner", "teacher")}
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]


def _copy(one: Path, other: Path) -> None:
    """What local teachers have answered, where it is and is not there yet."""
    if one.is_dir() and not other.exists():
        shutil.copytree(one, other)


def tables(found: Sequence[Row], links: Sequence[str]) -> list[Table]:
    """A row a method, a column a kind of link: accuracy, megabits each way, seconds a round."""
    cells = {(row.method, row.link): row for row in found}
    methods = list(dict.fromkeys(row.method for row in found))
    measures: dict[str, Callable[[Row], str]] = {
        "test accuracy, %": lambda row: spread(row.accuracies, ".1f", 100),
        "Mbit up, all clients": lambda row: spread(row.megabits_up, ".1f"),
        "Mbit down, broadcast once": lambda row: spread(row.megabits_down, ".2f"),
        "seconds a round": lambda row: spread(row.seconds, ".2f"),
    }
    return [
        Table(
            title,
            ["", *links],
            [[name, *(show(cells[name, link]) if (name, link) in cells else "" for link in links)] for name in methods],
        )
        for title, show in measures.items()
    ]


def panels(found: Sequence[Row], links: Sequence[str]) -> list[Panel]:
    """Accuracy against bits, a panel a kind of link."""
    looks = list(METHODS)
    return [
        Panel(
            f"links: {link}",
            "Mbit up + down",
            "test accuracy, %",
            [row.curve(looks.index(row.method)) for row in found if row.link == link],
            log_x=True,
        )
        for link in links
    ]


def write(found: Sequence[Row], asked: Request, command: str) -> None:
    """Every number of the table, run by run."""
    lines = [
        {
            "method": row.method,
            "link": row.link,
            "seeds": list(asked.seeds[: len(row.runs)]),
            "accuracy": row.accuracies,
            "megabits_up": row.megabits_up,
            "megabits_down": row.megabits_down,
            "seconds_round": row.seconds,
            "model_sha256": [run.manifest["model_sha256"] for run in row.runs],
        }
        for row in found
    ]
    text = json.dumps({"command": command, "rows": lines}, indent=1)
    replace_text(asked.output / "federated_baselines.json", text)


def request(arguments: Sequence[str]) -> Request:
    """Read the command line.

    Raises:
        ConfigurationError: the seeds are no numbers, an override is none, or no pair of a method and a link is left.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--links", nargs="+", choices=list(LINKS), default=list(LINKS))
    parser.add_argument("--seeds", default="0,1,2", help="comma between them")
    parser.add_argument("--output", type=Path, default=Path("runs/federated_baselines"))
    parser.add_argument("--quick", action="store_true", help="two rounds of four clients on a few digits")
    asked = parser.parse_intermixed_args(arguments)
    if wrong := [item for item in asked.overrides if "=" not in item]:
        raise ConfigurationError(f"{wrong[0]}: is no override; write key=value")
    found = Request(asked.methods, asked.links, read_seeds(asked.seeds), asked.overrides, asked.output, asked.quick)
    if not found.pairs:
        raise ConfigurationError(f"--links {' '.join(found.links)}: serve none of these methods; choose --links none")
    return found


def main(arguments: Sequence[str]) -> None:
    """Run what is missing, then tables, JSON, PNG and page."""
    asked, console = request(arguments), Console("auto", quiet=False)
    command = " ".join(["python sims/figures/federated_baselines.py", *arguments])
    asked.output.mkdir(parents=True, exist_ok=True)
    found: dict[tuple[str, str], Row] = {}
    for row in rows(asked, Study(asked.output, console)):
        found[row.method, row.link] = row
        write(list(found.values()), asked, command)
    done = list(found.values())
    links = [link for link in asked.links if any(row.link == link for row in done)]
    shown = tables(done, links)
    for table in shown:
        console.show(rendered(table))
    png = save(drawn(panels(done, links), min(len(links), 3)), asked.output / "federated_baselines.png")
    write_page(asked.output / "federated_baselines.html", "Federated baselines", command, png, shown)
    console.announce(f"figure and page: {asked.output}/federated_baselines.html")


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
