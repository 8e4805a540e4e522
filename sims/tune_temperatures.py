"""Tuning of temperatures and weight on held-out data, with Optuna: where a grid is too coarse or too dear.

    python sims/tune_temperatures.py [overrides] [--trials 40] [--tau-true 1,8] [--storage tuning.db] ...

A trial is a federated run a seed of the given configuration with a tau_true, tau_other, kd_weight and tau_student of
its own; Optuna's TPE proposes them within bounds, equal bounds fix a value. A trial that is worse than the median of
the others, at the same round of the same seed, is given up. The configured target and plain temperatures are tried
first; cross-entropy on the labels (CE) is run beside them. Data, partitions and teachers are shared as in
sims/search_temperatures.py, and the test split is never used.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedkd.cli import guarded
from fedkd.durable import replace_text
from fedkd.errors import ConfigurationError
from sims.plots import spread
from sims.search_temperatures import numbers
from sims.trials import Ground, Trial, ground, labels_only, teacher_quality, trial

if TYPE_CHECKING:
    from rich.table import Table

    from fedkd.tasks import Distillation

SHOWN = 10
"""Rows of the table."""
PLAIN = (1.0, 2.0, 4.0)
"""Plain temperatures that are tried first."""
UNJUDGED = 5
"""Trials that run to their end before others are given up."""


@dataclass(frozen=True)
class Bounds:
    """Where a value is looked for; temperatures evenly in their logarithm."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value lies within."""
        return self.low <= value <= self.high

    @staticmethod
    def read(name: str, text: str) -> Bounds:
        """From "1,8", or "1" for a value that is fixed.

        Raises:
            ConfigurationError: no such numbers, or not in order and above zero.
        """
        try:
            low, *rest = numbers(text)
            (high,) = rest or [low]
        except ValueError:
            raise ConfigurationError(f"--{name} {text}: is neither one number nor two; give low,high") from None
        if not 0 < low <= high < float("inf"):
            raise ConfigurationError(f"--{name} {text}: is not 0 < low <= high; give such bounds")
        return Bounds(low, high)


@dataclass(frozen=True)
class Space:
    """Bounds of everything that is tuned; its fields are fields of the task."""

    tau_true: Bounds
    tau_other: Bounds
    kd_weight: Bounds
    tau_student: Bounds

    @property
    def bounds(self) -> dict[str, Bounds]:
        """By name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def point(self, chooser: Any) -> dict[str, float]:
        """What an Optuna trial proposes."""
        return {
            name: chooser.suggest_float(name, each.low, each.high, log=name != "kd_weight")
            for name, each in self.bounds.items()
        }

    def starts(self, task: Distillation) -> Iterator[dict[str, float]]:
        """The configured point and plain temperatures at its weight, as far as they lie within the bounds."""
        configured = {name: float(getattr(task, name)) for name in self.bounds}
        points = [configured, *({**configured, "tau_true": tau, "tau_other": tau} for tau in PLAIN)]
        for position, point in enumerate(points):
            if point not in points[:position] and all(self.bounds[name].holds(point[name]) for name in point):
                yield point


@dataclass(frozen=True)
class Request:
    """A command line that has been read."""

    overrides: tuple[str, ...]
    space: Space
    trials: int
    seeds: tuple[int, ...]
    held_out: int
    search_seed: int
    storage: Path | None
    output: Path

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ConfigurationError(f"--trials {self.trials}: is below 1; choose at least 1")

    @property
    def study(self) -> str:
        """A name that only the same question has: what was measured for another is not taken up."""
        asked = (self.overrides, self.space, self.seeds, self.held_out)
        return "fedkd-" + hashlib.sha256(repr(asked).encode()).hexdigest()[:16]


def request(arguments: Sequence[str]) -> Request:
    """Read a command line: overrides of the configuration, and the options of the search."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="of the configuration, as for sims/run.py")
    parser.add_argument("--tau-true", default="1,8", help="bounds of the label's temperature")
    parser.add_argument("--tau-other", default="1,6", help="bounds of the other temperatures")
    parser.add_argument("--kd-weight", default="0.1,0.95", help="bounds of the weight of the distillation term")
    parser.add_argument("--tau-student", default="1", help="bounds of the student's temperature")
    parser.add_argument("--trials", type=int, default=40, help="counted from the start of the study")
    parser.add_argument("--seeds", type=numbers, default="0,1,2")
    parser.add_argument("--held-out", type=int, default=2000, help="public samples that are measured on")
    parser.add_argument("--search-seed", type=int, default=0, help="of Optuna's proposals")
    parser.add_argument("--storage", type=Path, help="an SQLite file that keeps the trials, to go on from")
    parser.add_argument("--output", type=Path, default=Path("tuning.json"), help="JSON file with every trial")
    found = parser.parse_intermixed_args(arguments)
    names = [field.name for field in fields(Space)]
    space = Space(*(Bounds.read(name.replace("_", "-"), getattr(found, name)) for name in names))
    seeds = tuple(int(seed) for seed in found.seeds)
    options = (found.trials, seeds, found.held_out, found.search_seed, found.storage, found.output)
    return Request(tuple(found.overrides), space, *options)


def library() -> Any:
    """Optuna, which says nothing of its own.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        import optuna
    except ModuleNotFoundError:
        raise ConfigurationError("Optuna is not installed; install fedkd[tune]") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def tune(request: Request, on: Sequence[Ground], say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Try points until there are enough trials; the finished ones, best first, and then those given up."""
    optuna = library()
    study = optuna.create_study(
        storage=None if request.storage is None else f"sqlite:///{request.storage}",
        study_name=request.study,
        sampler=optuna.samplers.TPESampler(seed=request.search_seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=UNJUDGED),
        direction="maximize",
        load_if_exists=True,
    )
    for point in () if study.trials else request.space.starts(on[0].task):
        study.enqueue_trial(point)

    def objective(chooser: Any) -> float:
        point = request.space.point(chooser)
        trials = [_trial(each, point, chooser, place) for place, each in enumerate(on)]
        chooser.set_user_attr("trials", [asdict(each) for each in trials])
        accuracy = statistics.fmean(each.accuracy for each in trials)
        say(f"trial {chooser.number}: {named(point)}: {100 * accuracy:.2f} %")
        return accuracy

    over = sum(each.state.is_finished() for each in study.trials)
    study.optimize(objective, n_trials=max(request.trials - over, 0))
    return [_told(each) for each in sorted(study.trials, key=lambda each: -_value(each)) if each.state.is_finished()]


def named(point: Mapping[str, float]) -> str:
    """A point as overrides of the configuration."""
    return " ".join(f"task.{name}={value:.4g}" for name, value in point.items())


def _trial(on: Ground, point: Mapping[str, float], chooser: Any, place: int) -> Trial:
    """One seed's run, whose held-out accuracy Optuna sees round by round."""

    def judge(round_: int, accuracy: float) -> None:
        chooser.report(accuracy, place * on.settings.rounds + round_)
        if chooser.should_prune():
            raise library().TrialPruned

    return trial(on, replace(on.task, **point), judge)


def _value(each: Any) -> float:
    complete = "trials" in each.user_attrs
    return float(each.value) if complete else -1.0


def _told(each: Any) -> dict[str, Any]:
    """A finished trial as plain values; one that was given up has no accuracies."""
    return {"number": each.number, "point": dict(each.params), "trials": each.user_attrs.get("trials", [])}


def table(found: Sequence[Mapping[str, Any]], labels: Sequence[Trial]) -> Table:
    """The best trials, then CE: held-out accuracy and gain over CE in points, mean and deviation over the seeds."""
    from rich import box
    from rich.table import Table

    complete = [each for each in found if each["trials"]]
    title = f"held-out accuracy: the best of {len(complete)} trials, {len(found) - len(complete)} given up"
    shown = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for heading in ("trial", *(field.name.replace("_", " ") for field in fields(Space)), "accuracy %", "over CE"):
        shown.add_column(heading, justify="right")
    base = [each.accuracy for each in labels]
    for each in complete[:SHOWN]:
        own = [seed["accuracy"] for seed in each["trials"]]
        gains = [one - other for one, other in zip(own, base, strict=True)]
        values = [f"{each['point'][field.name]:.3g}" for field in fields(Space)]
        shown.add_row(str(each["number"]), *values, spread(own, ".2f", 100), spread(gains, "+.2f", 100))
    shown.add_row("CE", *["-"] * len(fields(Space)), spread(base, ".2f", 100), "-")
    return shown


def main(arguments: Sequence[str]) -> None:
    """Tune, print the best, write the JSON."""
    asked = request(arguments)
    library()
    on = [ground([*asked.overrides, f"seed={seed}"], asked.held_out) for seed in asked.seeds]
    console = on[0].settings.recorder
    labels = [trial(each, labels_only()) for each in on]
    found = tune(asked, on, console.announce)
    console.show(table(found, labels))
    if found and found[0]["trials"]:
        console.announce(f"best: {named(found[0]['point'])}")
    told = {
        "overrides": list(asked.overrides),
        "space": asdict(asked.space),
        "seeds": list(asked.seeds),
        "held_out": asked.held_out,
        "search_seed": asked.search_seed,
        "teacher_quality": [teacher_quality(each) for each in on],
        "labels_only": [asdict(each) for each in labels],
        "trials": found,
    }
    replace_text(asked.output, json.dumps(told, indent=1))


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
