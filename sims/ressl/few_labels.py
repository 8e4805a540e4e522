"""A classifier from few labels: the labels of a run's linear probe, and all that is learned from them by gradients.

The network is the run's trunk with a linear head on top, trained by cross-entropy on exactly the samples that the probe
was given, from random values or from the run's encoder, and judged on the same test samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from fedkd.build import build
from fedkd.compose import compose
from fedkd.configuration import Settings
from fedkd.data import Dataset, Split
from fedkd.keys import key
from fedkd.probes.draws import labelled
from fedkd.records import History
from fedkd.tasks import ReSSL
from fedkd_compression import Key
from sims.trials import Loaded

SUPERVISED = (
    *("task=supervised", "algorithm=sgd", "uplink=identity", "downlink=identity", "executor=local", "store=memory"),
    *("clients=1", "rounds=1", "partitioner=iid", "trainer.batch_size=32", "solver.momentum=0.9"),
)


@dataclass(frozen=True)
class Rival:
    """How the trunk learns from labels.

    Args:
        copies: weak views of each labelled sample, which take its place; 0: the sample itself.
        epochs: passes over them.
        starts_there: at the run's encoder rather than at random values.
    """

    copies: int
    epochs: int
    starts_there: bool


RIVALS = {
    "trained on the labels alone": Rival(0, 100, starts_there=False),
    "trained on weak views of them": Rival(50, 4, starts_there=False),
}
FINE_TUNED = Rival(0, 100, starts_there=True)


def trained(run: History, rival: Rival) -> float:
    """Accuracy of the trunk, trained on the labels of a run's probe; the mean over its draws of labels.

    Args:
        run: of ReSSL, whose configuration says which samples, labels, views and network.
        rival: how it is trained.
    """
    own = Settings.of(run.manifest["configuration"])
    assert isinstance(own.task, ReSSL), "the others have no such probe"
    data = own.data.load(key(own.seed, "data"))
    settings = Settings.of(compose([*SUPERVISED, *_trunk(run), f"seed={own.seed}", f"trainer.epochs={rival.epochs}"]))
    settings = replace(settings, init=str(run.folder) if rival.starts_there else None)
    accuracies = []
    for taken, stream in labelled_samples(own, own.task, data):
        shown = replace(data, train=viewed(taken, own.task, rival.copies, stream))
        accuracies.append(_accuracy(replace(settings, data=Loaded(shown))))
    return fmean(accuracies)


def _trunk(run: History) -> list[str]:
    values: Mapping[str, Any] = run.manifest["configuration"]["model"]["trunk"]
    name = str(values["_target_"]).rpartition(".")[2].lower()
    fields = [f"model.{field}={value}".replace(" ", "") for field, value in values.items() if field != "_target_"]
    return [f"model={name}", *fields]


def labelled_samples(settings: Settings, task: ReSSL, data: Dataset) -> Iterator[tuple[Split, Key]]:
    """The samples of every draw of the linear probe, with a key of their views."""
    stream, probes = key(settings.seed, "probe"), task.probes
    reference = data.train.take(probes.chosen(data.train.y.numpy(), stream))
    for draw, rows in enumerate(labelled(reference.y.numpy(), probes.labels, probes.draws, stream.fold("labels"))):
        yield reference.take(rows.reshape(-1)), stream.fold("views", draw)


def viewed(split: Split, task: ReSSL, copies: int, stream: Key) -> Split:
    """Weak views in place of samples, [copies * n]; without copies the samples themselves."""
    if not copies:
        return split
    x, y = split.x.repeat(copies, *[1] * len(split.shape)), split.y.repeat(copies)
    u = stream.uniforms(len(x) * task.views.numbers, x.device).view(len(x), -1)
    return Split(task.views.weak(x, u), y)


def _accuracy(settings: Settings) -> float:
    """One client that has all these samples, one round; on the test split."""
    setup = build(settings, lambda _: None)
    shop = setup.workshop("cpu", Path())
    [update] = shop.trainer.train(shop.learner, shop.solver, [shop.pupil(0, 0, setup.model)])
    with torch.no_grad():
        return setup.learner.evaluate(setup.model - update.vector, setup.data.test)["accuracy"]
