"""Learned optimizers in federated runs beside tuned ones, on partitions that no meta-training has seen."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from fedkd.compose import compose
from sims.found import Found
from sims.plots import Curve, Panel, Table, spread
from sims.studies import RunFailedError

if TYPE_CHECKING:
    from fedkd.records import History
    from sims.studies import Study

STEPS = 5
"""Local steps of each client in a round."""
COMMON = (
    *("task=supervised", "teacher=none", "algorithm=sgd", "uplink=identity", "downlink=identity", "model.hidden=[32]"),
    *("data=digits", "clients=20", "participation=fixed", "participation.size=10", "partitioner=dirichlet"),
    *("partitioner.alpha=0.3", "trainer.epochs=5", f"trainer.batches={STEPS}", "trainer.batch_size=20"),
    *("executor=local", "store=memory", "checkpoint_every=0", "recorder=quiet"),
)
PLAIN = ("solver=sgd", "solver.momentum=0.0")


@dataclass(frozen=True)
class Method:
    """An optimizer with the values that are tried.

    Args:
        overrides: that choose it.
        grid: values of each field; all combinations are tried.
    """

    overrides: tuple[str, ...]
    grid: Mapping[str, tuple[float, ...]]


RATES = (0.1, 0.2, 0.4)
ADAPTIVE = (0.02, 0.05, 0.1, 0.2)


def servers(theta: str) -> dict[str, Method]:
    """On the server, each with three local rates and four values of its own."""

    def method(choice: str, steps: tuple[float, ...], *more: str) -> Method:
        return Method((*PLAIN, f"server={choice}", *more), {"solver.learning_rate": RATES, "server.step_size": steps})

    return {
        "STAR": method("star", (0.5, 0.7, 1.0, 1.4), f"server.theta={theta}"),
        "FedAvg": method("sgd", (1.0, 1.5, 2.0, 3.0)),
        "FedAvgM": method("momentum", (0.2, 0.5, 1.0, 2.0)),
        "FedAdam": method("adam", ADAPTIVE),
        "FedYogi": method("yogi", ADAPTIVE),
    }


def solvers(theta: str) -> dict[str, Method]:
    """On clients, under FedAvg, each with four values."""
    return {
        "STAR": Method(("solver=star", f"solver.theta={theta}"), {"solver.step_size": (0.25, 0.5, 1.0, 2.0)}),
        "SGD": Method(PLAIN, {"solver.learning_rate": (0.1, 0.2, 0.5, 1.0)}),
        "SGD, momentum .9": Method(("solver=sgd", "solver.momentum=0.9"), {"solver.learning_rate": ADAPTIVE}),
        "Adam": Method(("solver=adam",), {"solver.learning_rate": (0.005, 0.01, 0.02, 0.05)}),
    }


@dataclass(frozen=True)
class Size:
    """How much is run.

    Args:
        seeds: shown.
        tuning: of partitions, networks and batches on which settings are chosen.
        rounds: of the horizon, over which losses are averaged.
        times: by which the long runs are longer.
        most: settings that are tried of each method.
    """

    seeds: tuple[int, ...]
    tuning: tuple[int, ...]
    rounds: int
    times: int
    most: int


FULL = Size((0, 1, 2, 3, 4), (100, 101, 102), 50, 10, 12)
TINY = Size((0, 1), (100,), 3, 2, 1)


@dataclass(frozen=True)
class Setting:
    """A method with its values."""

    name: str
    method: Method
    values: tuple[float, ...]

    @property
    def overrides(self) -> list[str]:
        """For a run."""
        given = dict(zip(self.method.grid, self.values, strict=True))
        # A pseudo-gradient is that of a client's steps; the rule wants about a gradient.
        if "server=star" in self.method.overrides:
            given["server.unit"] = STEPS * given["solver.learning_rate"]
        return [*COMMON, *self.method.overrides, *[f"{field}={value:g}" for field, value in given.items()]]

    @property
    def words(self) -> str:
        """For a folder."""
        letters = "".join(letter if letter.isalnum() else "_" for letter in self.name)
        return "-".join([letters, *[f"{value:g}" for value in self.values]])


Rows = dict[str, tuple[Setting, "list[History]"]]


def server(study: Study, size: Size, theta: str) -> Found:
    """Server optimizers."""
    return _found("server", "server optimizers, held-out partitions", _compared(study, servers(theta), size), size)


def clients(study: Study, size: Size, theta: str) -> Found:
    """Clients' solvers."""
    return _found("clients", "clients' solvers, held-out partitions", _compared(study, solvers(theta), size), size)


def _compared(study: Study, methods: Mapping[str, Method], size: Size) -> Rows:
    """Choose each method's setting over the horizon, then run it ten times as long on other seeds."""
    rows: Rows = {}
    for name, method in methods.items():
        settings = [Setting(name, method, values) for values in product(*method.grid.values())][: size.most]
        chosen = min(settings, key=lambda setting: _cost(study, setting, size))
        rows[name] = chosen, [_shown(study, chosen, seed, size.times * size.rounds) for seed in size.seeds]
    return rows


def _cost(study: Study, setting: Setting, size: Size) -> float:
    """The mean loss over the horizon and the tuning seeds; infinite where a run diverged."""
    try:
        return statistics.fmean(_mean(_run(study, setting, seed, size.rounds), size.rounds) for seed in size.tuning)
    except RunFailedError:
        return float("inf")


def _run(study: Study, setting: Setting, seed: int, rounds: int) -> History:
    values = compose([*setting.overrides, f"seed={seed}", f"rounds={rounds}"])
    return study.run(f"{setting.words}/{rounds}-{seed}", values)


def _shown(study: Study, setting: Setting, seed: int, rounds: int) -> History:
    """Also of one that diverged, as far as it came."""
    try:
        return _run(study, setting, seed, rounds)
    except RunFailedError as failed:
        return failed.history


def _losses(run: History) -> list[float]:
    """Of the server's model on the test samples, after every round."""
    return [report.metrics["loss"] for report in run.reports]


def _mean(run: History, rounds: int) -> float:
    return statistics.fmean(_losses(run)[:rounds])


def _found(part: str, title: str, rows: Rows, size: Size) -> Found:
    panel = Panel(title, "round", "test loss", list(_curves(rows, size.times * size.rounds)), log_x=True, log_y=True)
    numbers = [
        {
            "method": name,
            **dict(zip(setting.method.grid, setting.values, strict=True)),
            "seeds": list(size.seeds),
            "losses": [_losses(run) for run in runs],
        }
        for name, (setting, runs) in rows.items()
    ]
    return Found(part, [_table(title, rows, size)], [panel], {"rows": numbers})


def _table(title: str, rows: Rows, size: Size) -> Table:
    whole, count = size.times * size.rounds, size.rounds
    lines = []
    for name, (setting, every) in rows.items():
        runs = _whole(every, whole)
        if len(runs) < len(every):
            lines.append([name, _words(setting), f"{len(every) - len(runs)} of {len(every)} diverged", "", "", ""])
            continue
        means = [[_mean(run, rounds) for run in runs] for rounds in (count, whole)]
        last = [statistics.fmean(_losses(run)[-count:]) for run in runs]
        accuracy = [100 * run.reports[count - 1].metrics["accuracy"] for run in runs]
        shown = [spread(values, ".3f") for values in (*means, last)]
        lines.append([name, _words(setting), *shown, spread(accuracy, ".1f")])
    headings = ["", "chosen", f"mean of {count}", f"mean of {whole}", f"last {count}", f"% after {count}"]
    return Table(f"test loss, {title}, {len(size.seeds)} seeds", headings, lines)


def _words(setting: Setting) -> str:
    return ", ".join(f"{value:g}" for value in setting.values)


def _whole(runs: Sequence[History], rounds: int) -> list[History]:
    """Those that came to their end."""
    return [run for run in runs if len(run.reports) == rounds]


def _curves(rows: Rows, rounds: int) -> Iterator[Curve]:
    for look, (name, (_, every)) in enumerate(rows.items()):
        runs = _whole(every, rounds)
        if not runs:
            continue
        x = [np.arange(1, len(run.reports) + 1) for run in runs]
        yield Curve(name, x, [np.array(_losses(run)) for run in runs], look)
