"""How good a run's features are: python sims/evaluate.py runs/NAME [shots=1,5] [episodes=100] [labels=10] ...

The run's network, the same network before its first round, and the samples themselves are given the same probes
(fedkd/probes): few-shot prototypes, nearest neighbours, a linear layer. Labels come from the clients' training samples,
or from the public ones where those are elsewhere, and serve the probes alone; what is classified are the test samples.
The table is also written to evaluation.json in the run's folder.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fedkd.build import Setup, build
from fedkd.cli import guarded
from fedkd.configuration import Settings
from fedkd.durable import replace_text
from fedkd.errors import ConfigurationError
from fedkd.initialisation import MODEL, named
from fedkd.keys import key
from fedkd.probes import Features, Probes, Score, features
from fedkd.records import Console, read_manifest
from fedkd.tasks.co_trained_learner import CoTrainedLearner
from fedkd.tasks.learner import Networked
from sims import options

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.table import Table
    from torch import Tensor

    from fedkd.data import Split

EVALUATION = "evaluation.json"
QUICK: dict[str, object] = {"episodes": 10, "draws": 2, "at_most": 1000}
Scores = Mapping[str, Score]


@dataclass(frozen=True)
class Asked:
    """Options of the command.

    Args:
        shots: labelled samples a class of the few-shot prototypes; several with commas.
        episodes: draws of them.
        neighbours: whose majority decides.
        labels: labelled samples a class of the linear probe; 0 takes all.
        draws: of them.
        at_most: training samples that are the reference, evenly over the classes.
    """

    shots: tuple[int, ...] = (1, 5)
    episodes: int = 100
    neighbours: int = 20
    labels: int = 10
    draws: int = 10
    at_most: int = 10_000

    @property
    def probes(self) -> Probes:
        """What they ask for."""
        return Probes(self.shots, self.episodes, self.neighbours, self.labels, self.draws, self.at_most)


@dataclass(frozen=True)
class Evaluated:
    """What the probes say of a run.

    Args:
        rows: by what they were given.
        reference: samples.
        test: samples.
    """

    rows: Mapping[str, Scores]
    reference: int
    test: int


def evaluate(folder: Path, probes: Probes) -> Evaluated:
    """Give the probes to a run's network, as it began and as it ended, and to the samples themselves.

    Raises:
        ConfigurationError: the folder holds no run of a network, or its data or model are others than the run's.
    """
    manifest = read_manifest(folder)
    tensors = _read(folder / MODEL)
    setup = rebuilt(folder, manifest)
    learner = _student(folder, setup)
    stream = key(setup.settings.seed, "probe")
    own = labelled(folder, setup)
    reference, test = own.take(probes.chosen(own.y.numpy(), stream)), setup.data.test

    def scores(of: Callable[[Tensor], NDArray[np.float64]]) -> Scores:
        known, queries = (Features(of(split.x), split.y.numpy()) for split in (reference, test))
        return probes.scores(known, queries, stream)

    rows = {"random initialisation": scores(lambda x: features(learner.module, x, learner.laid))}
    _load(folder, learner, tensors)
    rows = {"this run": scores(lambda x: features(learner.module, x, learner.laid)), **rows}
    rows["raw samples"] = scores(lambda x: x.flatten(1).double().numpy())
    return Evaluated(rows, len(reference), len(test))


def rebuilt(folder: Path, manifest: Mapping[str, Any]) -> Setup:
    """The run as it is drawn from its key: without what its first model may take from another, or its teacher learn."""
    settings = Settings.of(manifest["configuration"])
    if settings.model is None:
        raise _no_network(folder, settings)
    settings.data.check()
    setup = build(settings, lambda _: None, lesson=b"")
    before, now = manifest["facts"]["data_sha256"], setup.data.sha256()
    if before != now:
        raise ConfigurationError(
            f"{folder}: data {setup.data.name} have sha256 {now[:12]}..., the run's {before[:12]}...; "
            "restore the files that it learned from"
        )
    return setup


def labelled(folder: Path, setup: Setup) -> Split:
    """Samples whose labels the probes read: the clients', or public ones where the clients' are elsewhere.

    Raises:
        ConfigurationError: there are neither.
    """
    if setup.settings.data.complete():
        return setup.data.train.take(np.unique(np.concatenate(setup.parts)))
    if not len(setup.data.public):
        raise ConfigurationError(
            f"{folder}: neither the clients' samples nor public ones are here; copy public.npz of the divided set there"
        )
    return setup.data.public


def _student(folder: Path, setup: Setup) -> Networked:
    learner = setup.learner
    student = learner.student if isinstance(learner, CoTrainedLearner) else learner
    if not isinstance(student, Networked):
        raise _no_network(folder, setup.settings)
    return student


def _no_network(folder: Path, settings: Settings) -> ConfigurationError:
    task = type(settings.task).__name__
    return ConfigurationError(f"{folder}: task {task} does not train one network; name a run that does")


def _read(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return dict(load(path.read_bytes()))
    except FileNotFoundError:
        raise ConfigurationError(f"{path.parent}: holds no {MODEL}; let the run end in order") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: cannot be read ({type(error).__name__}); restore it") from None


def _load(folder: Path, learner: Networked, tensors: Mapping[str, Tensor]) -> None:
    """Let the network have a run's tensors; their names and shapes must be the network's."""
    vector = learner.vector
    mine = named(learner.tensors, vector)
    shapes, found = ({name: list(tensor.shape) for name, tensor in each.items()} for each in (mine, tensors))
    if differing := sorted(name for name in {*shapes, *found} if shapes.get(name) != found.get(name)):
        name = differing[0]
        raise ConfigurationError(
            f"{folder / MODEL}: {name} has shape {found.get(name)}, the configured network's {shapes.get(name)}; "
            "use the version of fedkd that made the run"
        )
    for name, tensor in mine.items():
        tensor.copy_(tensors[name])
    learner.load(vector)


def table(evaluated: Evaluated, name: str) -> Table:
    """A row for every kind of features, a column for every probe; mean ± deviation over draws, in percent."""
    from rich import box
    from rich.table import Table

    title = f"{name}: accuracy %, {evaluated.reference:,} samples of reference, {evaluated.test:,} of test"
    shown = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE)
    shown.add_column("features")
    for probe in next(iter(evaluated.rows.values())):
        shown.add_column(probe.removeprefix("accuracy_").replace("_", " "), justify="right")
    for row, scores in evaluated.rows.items():
        shown.add_row(row, *map(cell, scores.values()))
    return shown


def cell(score: Score) -> str:
    """A score in percent.

    Example:
        >>> cell(Score(0.5, 0.0123))
        '50.00 ± 1.23'
    """
    deviation = "" if score.spread is None else f" ± {100 * score.spread:.2f}"
    return f"{100 * score.mean:.2f}{deviation}"


def record(evaluated: Evaluated, probes: Probes) -> dict[str, object]:
    """What evaluation.json says; null where features are not finite."""
    rows = {
        row: {
            name: {"mean": score.mean if math.isfinite(score.mean) else None, "spread": score.spread}
            for name, score in scores.items()
        }
        for row, scores in evaluated.rows.items()
    }
    return {"probes": asdict(probes), "reference": evaluated.reference, "test": evaluated.test, "accuracy": rows}


def main(arguments: Sequence[str]) -> None:
    """Evaluate, print the table, write the JSON."""
    folders = [argument for argument in arguments if "=" not in argument and not argument.startswith("-")]
    if len(folders) != 1:
        raise ConfigurationError(
            f"{len(folders)} runs are named, one can be evaluated: python sims/evaluate.py runs/NAME [key=value] ..."
        )
    given = [argument for argument in arguments if argument not in folders]
    # Lists may be written as the framework's are, too: shots=[1,5].
    asked = options.read(Asked, [item.replace("[", "").replace("]", "") for item in given], QUICK)
    folder, probes = Path(folders[0]), asked.probes
    evaluated = evaluate(folder, probes)
    Console(live="auto", quiet=False).show(table(evaluated, folder.resolve().name))
    replace_text(folder / EVALUATION, json.dumps(record(evaluated, probes), indent=1) + "\n")


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
