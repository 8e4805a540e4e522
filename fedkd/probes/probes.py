"""Which probes a network's features are given, and what they say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fedkd.data.bounds import within
from fedkd.errors import ConfigurationError
from fedkd.probes.classifiers import few_shot, linear, neighbours
from fedkd.probes.draws import even

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd.probes.frozen import Features
    from fedkd_compression import Key

_MOST = 2**20


class Score(NamedTuple):
    """Accuracy, in [0, 1]: the mean over draws of labels, and their standard deviation; None where all labels count."""

    mean: float
    spread: float | None = None

    @staticmethod
    def of(accuracies: NDArray[np.float64]) -> Score:
        """The score of several draws; of one, it has no spread."""
        several = len(accuracies) > 1
        return Score(float(accuracies.mean()), float(accuracies.std(ddof=1)) if several else None)


@dataclass(frozen=True)
class Probes:
    """Few-shot prototypes, nearest neighbours and a linear probe on frozen features, all functions of a key.

    Args:
        shots: labelled samples a class of the few-shot prototypes, >= 1; a number each.
        episodes: draws of them.
        neighbours: whose majority decides, among all reference samples.
        labels: labelled samples a class of the linear probe; 0 takes all.
        draws: of them; with all labels there is one.
        at_most: reference samples at most, evenly over the classes.
    """

    shots: tuple[int, ...]
    episodes: int
    neighbours: int
    labels: int
    draws: int
    at_most: int

    def __post_init__(self) -> None:
        for name in ("shots", "episodes", "neighbours", "draws", "at_most"):
            within(self, name, 1, _MOST)
        within(self, "labels", 0, _MOST)

    def chosen(self, labels: NDArray[np.int64], key: Key) -> NDArray[np.int64]:
        """The samples that are the reference: of the others no features are needed.

        Shapes: labels [n]; the result, in ascending order, [min(n, at_most)].

        Raises:
            ConfigurationError: a class has fewer of them than a probe takes.
        """
        rows = even(labels, self.at_most, key.fold("reference"))
        self._check(labels[rows])
        return rows

    def measure(self, reference: Features, test: Features, key: Key) -> dict[str, float]:
        """Accuracies on the test samples, by ``names``.

        Args:
            reference: whose labels the probes are given; of more than ``at_most``, ``chosen`` is taken.
            test: that they classify.
            key: draws labels; the same key draws the same.

        Raises:
            ConfigurationError: a class of the reference has fewer samples than a probe takes.
        """
        return {name: score.mean for name, score in self.scores(reference, test, key).items()}

    def scores(self, reference: Features, test: Features, key: Key) -> dict[str, Score]:
        """What ``measure`` says, with spreads; features that are not finite have no accuracy: NaN."""
        # Of scikit-learn's own requirements; more threads are slower here, and their sums are others.
        from threadpoolctl import threadpool_limits

        reference = reference.take(self.chosen(reference.y, key))
        if not (reference.finite and test.finite):
            return dict.fromkeys(self.names, Score(math.nan))
        with threadpool_limits(1, user_api="blas"):
            few = [few_shot(reference, test, shots, self.episodes, key.fold("shots", shots)) for shots in self.shots]
            voted = Score(neighbours(reference, test, self.neighbours))
            probe = Score.of(linear(reference, test, self.labels, self.draws, key.fold("labels")))
        return dict(zip(self.names, (*map(Score.of, few), voted, probe), strict=True))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the accuracies: accuracy_1_shot and so on for ``shots``, accuracy_knn, accuracy_probe."""
        return (*(f"accuracy_{shots}_shot" for shots in self.shots), "accuracy_knn", "accuracy_probe")

    def _check(self, labels: NDArray[np.int64]) -> None:
        """Refuse a reference that cannot serve all probes."""
        classes, counts = np.unique(labels, return_counts=True)
        if len(classes) < 2:
            raise ConfigurationError(f"Probes: the reference has {len(classes)} class; give it samples of 2 or more")
        least, rarest = int(counts.min()), int(classes[counts.argmin()])
        for name, asked in (("shots", max(self.shots, default=0)), ("labels", self.labels)):
            if asked > least:
                raise ConfigurationError(
                    f"Probes: {name}={asked} exceeds the {least} reference samples of class {rarest}; "
                    f"choose {name} <= {least}{' or a larger at_most' if len(labels) == self.at_most else ''}"
                )
        if self.neighbours > len(labels):
            raise ConfigurationError(
                f"Probes: neighbours={self.neighbours} exceeds the {len(labels)} reference samples; "
                f"choose neighbours <= {len(labels)}"
            )
