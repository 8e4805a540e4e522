"""The server's theta beside tuned server optimizers, on partitions that no meta-training has seen."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
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
    *("solver.momentum=0.0", "executor=local", "store=memory", "checkpoint_every=0", "recorder=quiet"),
)
TUNING = tuple(range(100, 103))
"""Seeds of partitions, networks and batches on which settings are chosen; others are shown."""


@dataclass(frozen=True)
class Method:
    """A server optimizer with the values that are tried.

    Args:
        overrides: that choose it.
        field: that is tuned beside the local rate.
        values: of it.
    """

    overrides: tuple[str, ...]
    field: str
    values: tuple[float, ...]


def methods(theta: str) -> dict[str, Method]:
    """All with as many values."""
    adaptive = (0.01, 0.02, 0.05, 0.1)
    return {
        "STAR": Method(("server=star", f"server.theta={theta}"), "step_size", (0.5, 0.7, 1.0, 1.4)),
        "FedAvg": Method(("server=sgd",), "step_size", (0.5, 1.0, 1.5, 2.0)),
        "FedAvgM": Method(("server=momentum",), "step_size", (0.1, 0.2, 0.5, 1.0)),
        "FedAdam": Method(("server=adam",), "step_size", adaptive),
        "FedYogi": Method(("server=yogi",), "step_size", adaptive),
    }


@dataclass(frozen=True)
class Size:
    """How much is run.

    Args:
        seeds: shown.
        tuning: on which settings are chosen.
        rounds: of the horizon, over which losses are averaged.
        times: by which the long runs are longer.
        rates: local learning rates that are tried.
        values: of each method that are tried, at most.
    """

    seeds: tuple[int, ...]
    tuning: tuple[int, ...]
    rounds: int
    times: int
    rates: tuple[float, ...]
    values: int


FULL = Size((0, 1, 2, 3, 4), TUNING, 50, 10, (0.05, 0.1, 0.2), 4)
TINY = Size((0, 1), (100,), 3, 2, (0.1,), 1)


@dataclass(frozen=True)
class Setting:
    """A method with its values."""

    name: str
    method: Method
    rate: float
    value: float

    @property
    def overrides(self) -> list[str]:
        """For a run."""
        unit = [f"server.unit={STEPS * self.rate:g}"] if "server=star" in self.method.overrides else []
        tuned = [f"server.{self.method.field}={self.value:g}", f"solver.learning_rate={self.rate:g}"]
        return [*COMMON, *self.method.overrides, *tuned, *unit]

    @property
    def words(self) -> str:
        """For a folder."""
        return f"{self.name}-{self.rate:g}-{self.value:g}"


def server(study: Study, size: Size, theta: str) -> Found:
    """Choose each method's setting, then run it ten times as long on other seeds."""
    rows = {}
    for name, method in methods(theta).items():
        chosen = min(_settings(name, method, size), key=lambda setting: _cost(study, setting, size))
        rows[name] = chosen, [_run(study, chosen, seed, size.times * size.rounds) for seed in size.seeds]
    panel = Panel("held-out partitions", "round", "test loss", list(_curves(rows)), log_x=True, log_y=True)
    return Found("server", [_table(rows, size)], [panel], {"rows": _numbers(rows, size)})


def _settings(name: str, method: Method, size: Size) -> Iterator[Setting]:
    for rate, value in product(size.rates, method.values[: size.values]):
        yield Setting(name, method, rate, value)


def _cost(study: Study, setting: Setting, size: Size) -> float:
    """The mean loss over the horizon and the tuning seeds; infinite where a run diverged."""
    try:
        return statistics.fmean(_mean(_run(study, setting, seed, size.rounds), size.rounds) for seed in size.tuning)
    except RunFailedError:
        return float("inf")


def _run(study: Study, setting: Setting, seed: int, rounds: int) -> History:
    values = compose([*setting.overrides, f"seed={seed}", f"rounds={rounds}"])
    return study.run(f"{setting.words}/{rounds}-{seed}", values)


def _losses(run: History) -> list[float]:
    """Of the server's model on the test samples, after every round."""
    return [report.metrics["loss"] for report in run.reports]


def _mean(run: History, rounds: int) -> float:
    return statistics.fmean(_losses(run)[:rounds])


Rows = dict[str, tuple[Setting, "list[History]"]]


def _table(rows: Rows, size: Size) -> Table:
    whole, tail = size.times * size.rounds, size.rounds
    lines = []
    for name, (setting, runs) in rows.items():
        means = [[_mean(run, count) for run in runs] for count in (size.rounds, whole)]
        last = [statistics.fmean(_losses(run)[-tail:]) for run in runs]
        accuracy = [100 * run.reports[size.rounds - 1].metrics["accuracy"] for run in runs]
        shown = [spread(values, ".3f") for values in (*means, last)]
        lines.append([name, f"{setting.rate:g}, {setting.value:g}", *shown, spread(accuracy, ".1f")])
    count = f"{size.rounds} rounds"
    headings = ["", "local rate, server's", f"mean loss, {count}", f"mean, {whole}", f"last {tail}", f"% after {count}"]
    return Table(f"test loss, {len(size.seeds)} seeds", headings, lines)


def _curves(rows: Rows) -> Iterator[Curve]:
    for look, (name, (_, runs)) in enumerate(rows.items()):
        yield Curve(name, [np.arange(1, len(run.reports) + 1) for run in runs], [np.array(_losses(run)) for run in runs], look)


def _numbers(rows: Rows, size: Size) -> Sequence[dict[str, object]]:
    return [
        {
            "method": name,
            "local rate": setting.rate,
            "server": setting.value,
            "seeds": list(size.seeds),
            "losses": [_losses(run) for run in runs],
        }
        for name, (setting, runs) in rows.items()
    ]
