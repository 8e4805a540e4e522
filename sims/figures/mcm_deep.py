"""MCM on networks: accuracy and loss against rounds and against the bits that were sent.

    python sims/figures/mcm_deep.py [--data mnist5k fashion] [--split iid dirichlet] [--seeds 0,1] [--full | --quick]

SGD, DIANA, Artemis, MCM and Rand-MCM; N = 20 clients, one stochastic gradient a round, step size .1, each tensor
quantised by itself: with s = 4 levels and the l2 norm, as in the experiments on networks of Philippenko and Dieuleveut
(NeurIPS 2021, arXiv 2102.12528), and with subtractive dither whose step spends as many bytes on the first gradient.
mnist5k has the network of 21,840 parameters, fashion that of 421,642. The default is scaled to two cores; ``--full``
has batches of 128, 300 epochs and all samples. Every run has a folder below ``--output``: what is finished is not run
again, what was interrupted goes on from its start.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from fedkd.build import build
from fedkd.cli import guarded
from fedkd.compose import compose
from fedkd.configuration import Settings
from fedkd.durable import replace_text
from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.records import Console, History
from fedkd.records.summary import curve
from fedkd_compression import QSGD, PerTensor, SubtractiveDither, compress
from sims.plots import Curve, Panel, Table, drawn, rendered, save, spread, write_page
from sims.studies import RunFailedError, Study, last, read_seeds

CLIENTS, LEVELS, RATE = 20, 4, 0.1
ALGORITHMS = {"SGD": "sgd", "DIANA": "diana", "Artemis": "artemis", "MCM": "mcm", "Rand-MCM": "rand_mcm"}
NETWORKS = {"mnist5k": "mnist_cnn", "fashion": "fashion_cnn"}
SPLITS = ("iid", "dirichlet")
IDENTITY = "fedkd_compression.Identity"
STEPS = np.geomspace(0.25, 64, 129)
"""Of the dither, from which the one with as many bytes is taken."""


@dataclass(frozen=True)
class Size:
    """How much is run.

    Args:
        samples: of all clients together.
        test: samples of the test split, 0: all.
        epochs: passes over a client's samples, one batch a round.
        evaluations: of the server's model, about.
    """

    samples: int
    test: int
    batch: int
    epochs: int
    evaluations: int

    @property
    def rounds(self) -> int:
        """Batches that a client of average size takes."""
        return self.epochs * -(-self.samples // (CLIENTS * self.batch))


SCALED = {"mnist5k": Size(4000, 1000, 64, 50, 25), "fashion": Size(10000, 2000, 32, 10, 20)}
FULL = {"mnist5k": Size(4000, 1000, 128, 300, 60), "fashion": Size(60000, 0, 128, 300, 60)}
QUICK = dict.fromkeys(NETWORKS, Size(200, 100, 5, 2, 2))


@dataclass(frozen=True)
class Setting:
    """A data set, its division over the clients, and a seed."""

    data: str
    split: str
    seed: int
    size: Size

    def values(self, algorithm: str, operator: Mapping[str, Any] | None) -> dict[str, Any]:
        """The resolved configuration of one run; the operator serves wherever the algorithm compresses."""
        size = self.size
        values = compose(
            [
                *(f"algorithm={algorithm}", f"data={self.data}", f"partitioner={self.split}", f"seed={self.seed}"),
                *(f"data.samples={size.samples}", "data.public=0", f"data.test={size.test}", "checkpoint_every=0"),
                *(f"model={NETWORKS[self.data]}", "task=supervised", "teacher=none", "solver=gradient"),
                *("trainer.epochs=1", "trainer.batches=1", f"trainer.batch_size={size.batch}", "recorder=quiet"),
                *(f"clients={CLIENTS}", f"rounds={size.rounds}", f"server.step_size={RATE}"),
                f"evaluate_every={max(size.rounds // size.evaluations, 1)}",
            ]
        )
        for direction in ("uplink", "downlink"):
            if operator is not None and values[direction]["operator"]["_target_"] != IDENTITY:
                values[direction]["operator"] = dict(operator)
        return values


def quantiser() -> dict[str, Any]:
    """S = 4 levels, the l2 norm, each tensor by itself."""
    return _each({"_target_": "fedkd_compression.QSGD", "levels": LEVELS, "norm": "l2"})


def dither(step: float) -> dict[str, Any]:
    """Subtractive dither, each tensor by itself."""
    return _each({"_target_": "fedkd_compression.SubtractiveDither", "step": step})


def _each(operator: Mapping[str, Any]) -> dict[str, Any]:
    return {"_target_": "fedkd_compression.PerTensor", "operators": {"*": dict(operator)}}


def equal_step(setting: Setting) -> float:
    """The dither's step that spends as many bytes as the quantiser, or a few fewer, on one client's first gradient."""
    settings = Settings.of(setting.values("mcm", quantiser()))
    setup = build(settings, lambda _: None)
    shop = setup.workshop("cpu", Path())
    [update] = shop.trainer.train(shop.learner, shop.solver, [shop.pupil(0, 0, setup.model)])
    tensors = setup.learner.tensors

    def size(operator: PerTensor) -> int:
        frames, _ = compress(operator.shaped(tensors), update.vector[None], key(setting.seed, "equal bytes"))
        return len(frames[0])

    most = size(PerTensor({"*": QSGD(levels=LEVELS, norm="l2")}))
    low, high = 0, len(STEPS) - 1
    while low < high:
        middle = (low + high) // 2
        if size(PerTensor({"*": SubtractiveDither(step=float(STEPS[middle]))})) <= most:
            high = middle
        else:
            low = middle + 1
    return round(float(STEPS[low]), 4)


@dataclass(frozen=True)
class Row:
    """One algorithm with one operator: a run a seed."""

    algorithm: str
    operator: str
    runs: tuple[History, ...]

    @property
    def diverged(self) -> list[int]:
        """The rounds in which runs ended because their numbers grew out of bounds."""
        return [len(run.reports) for run in self.runs if run.manifest["reason"] != "finished"]

    @property
    def name(self) -> str:
        """As in tables and legends."""
        return f"{self.algorithm}, {self.operator}" if self.operator else self.algorithm

    def megabytes(self) -> list[float]:
        """Up and down, one a seed."""
        return [sum(report.bytes_total for report in run.reports) / 1e6 for run in self.runs]

    def curve(self, metric: str, against: str) -> Curve:
        """A metric against rounds, or megabits sent so far."""
        xs, ys = [], []
        for run in self.runs:
            points = curve(run.reports, metric)
            sent = list(accumulate(8e-6 * report.bytes_total for report in run.reports))
            xs.append(np.array([sent[index] if against == "bits" else index + 1 for index, _ in points]))
            ys.append(np.array([value for _, value in points]) * (100 if metric == "accuracy" else 1))
        return Curve(self.name, xs, ys, list(ALGORITHMS).index(self.algorithm), dashed=self.operator == "dither")


def rows(study: Study, settings: Sequence[Setting], algorithms: Sequence[str]) -> Iterator[Row]:
    """All runs of one data set and division; a seed's runs share data, division, first model and batches."""
    steps = [equal_step(setting) for setting in settings]
    for name in algorithms:
        choice = ALGORITHMS[name]
        for label in [""] if name == "SGD" else ["s = 4", "dither"]:
            runs = []
            for setting, step in zip(settings, steps, strict=True):
                operator = {"": None, "s = 4": quantiser(), "dither": dither(step)}[label]
                folder = f"{setting.data}-{setting.split}/{choice}-{label.replace(' ', '') or 'float32'}-{setting.seed}"
                runs.append(_run(study, folder, setting.values(choice, operator)))
            yield Row(name, label, tuple(runs))


def _run(study: Study, name: str, values: Mapping[str, Any]) -> History:
    """A run, also one that diverges: that is a result, too."""
    try:
        return study.run(name, values)
    except RunFailedError as error:
        if "diverged" not in str(error):
            raise
        return error.history


def table(title: str, found: Sequence[Row]) -> Table:
    """Accuracy in percent and its difference to DIANA with the same operator, loss, megabytes."""
    base = {row.operator: last(row.runs, "accuracy") for row in found if row.algorithm == "DIANA" and not row.diverged}
    lines = []
    for row in found:
        if row.diverged:
            lines.append([row.name, f"diverged in round {min(row.diverged)}", "-", "-", "-"])
            continue
        accuracy = last(row.runs, "accuracy")
        over = base.get(row.operator)
        paired = [] if over is None else [one - two for one, two in zip(accuracy, over, strict=True)]
        cells = [spread(accuracy, ".2f", 100), spread(paired, "+.2f", 100) if paired else "-"]
        lines.append([row.name, *cells, spread(last(row.runs, "loss"), ".3f"), spread(row.megabytes(), ".1f")])
    return Table(title, ["", "accuracy, %", "over DIANA, points", "loss", "MB up + down"], lines)


def panels(title: str, found: Sequence[Row]) -> list[Panel]:
    """Accuracy against rounds and bits, loss against bits, of what did not diverge."""
    ended = [row for row in found if not row.diverged]
    return [
        Panel(title, "round", "test accuracy, %", [row.curve("accuracy", "rounds") for row in ended]),
        Panel(
            title, "Mbit up + down", "test accuracy, %", [row.curve("accuracy", "bits") for row in ended], log_x=True
        ),
        Panel(
            title, "Mbit up + down", "test loss", [row.curve("loss", "bits") for row in ended], log_x=True, log_y=True
        ),
    ]


def numbers(found: Sequence[Row]) -> list[dict[str, object]]:
    """What the table is made of."""
    return [
        {"row": row.name, "diverged": row.diverged, "megabytes": row.megabytes()}
        | ({} if row.diverged else {"accuracy": last(row.runs, "accuracy"), "loss": last(row.runs, "loss")})
        for row in found
    ]


def request(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--split", nargs="+", choices=SPLITS, default=list(SPLITS))
    parser.add_argument("--algorithms", nargs="+", choices=list(ALGORITHMS), default=list(ALGORITHMS))
    parser.add_argument("--seeds", default="0", help="comma between them")
    parser.add_argument("--epochs", type=int, help="passes over a client's samples, in place of the size's own")
    parser.add_argument("--output", type=Path, default=Path("runs/mcm_deep"))
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--full", action="store_true", help="300 epochs of batches of 128, all samples")
    how.add_argument("--quick", action="store_true", help="a few rounds of a few samples")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """Run what is missing, then table, PNG, JSON and page."""
    asked, console = request(arguments), Console("auto", quiet=False)
    sizes = FULL if asked.full else QUICK if asked.quick else SCALED
    if asked.epochs is not None:
        if asked.epochs < 1:
            raise ConfigurationError(f"--epochs {asked.epochs}: is below 1; choose --epochs >= 1")
        sizes = {data: replace(size, epochs=asked.epochs) for data, size in sizes.items()}
    study, tables, shown, found = Study(asked.output, console), [], [], {}
    for data in asked.data:
        for split in asked.split:
            title = f"{data}, {split}"
            some = list(
                rows(
                    study,
                    [Setting(data, split, seed, sizes[data]) for seed in read_seeds(asked.seeds)],
                    asked.algorithms,
                )
            )
            tables.append(table(title, some))
            shown += panels(title, some)
            found[title] = numbers(some)
            console.show(rendered(tables[-1]))
    command = " ".join(["python sims/figures/mcm_deep.py", *arguments])
    replace_text(asked.output / "mcm_deep.json", json.dumps({"command": command, "rows": found}, indent=1))
    png = save(drawn(shown, 3), asked.output / "mcm_deep.png")
    write_page(asked.output / "mcm_deep.html", "MCM on networks", command, png, tables)
    console.announce(f"figure and page: {asked.output}/mcm_deep.html")


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
