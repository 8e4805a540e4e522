"""How long runs take, learned across runs and sweeps from their configurations."""

from __future__ import annotations

import contextlib
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedkd.durable import replace_text
from fedkd.errors import StorageError
from fedkd.predict import Learner, Regret
from fedkd.predict.descent import LinearDescent
from sims.sweeps.features import WORK, Leaves, columns, work

HISTORY = "lengths.json"
"""Beside the folders of sweeps, so that a new one knows what the others took."""
LENGTHS = "lengths of fedkd sweeps"
"""The one key of this file."""
KEPT = 500
"""Runs that it holds, the last ones."""
RADIUS = 2.0
"""Nats by which one feature, from its least to its largest value, may change a length to either side."""
STEPS = 200
"""Of gradient descent over all that was seen, after each outcome."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Length:
    """What a run took.

    Args:
        leaves: its configuration by dotted keys.
        seconds: of its rounds, without set-ups and pauses.
    """

    leaves: Leaves
    seconds: float

    @property
    def work(self) -> float:
        """Rounds x local epochs x samples, as far as the configuration says."""
        return work(self.leaves)


class Lengths(Learner):
    """Predicts a run's seconds from its configuration.

        log seconds = log work + level + features @ weights,   work = rounds x local epochs x samples,
    the level being the median of log seconds - log work, and the weights those of gradient descent on the absolute
    error (``LinearDescent``) over all runs seen, again and again. Features are the keys in which the runs that are
    known differ: of numbers the logarithm, of texts one each; all lie within 1 of 0.

    Args:
        known: lengths of earlier runs.
        coming: configurations whose lengths will be asked for.

    Example:
        >>> Lengths([Length({"rounds": 10}, 5.0)], []).suggest({"rounds": 20})
        10.0
    """

    def __init__(self, known: Sequence[Length], coming: Sequence[Leaves]) -> None:
        self._columns = columns([*(each.leaves for each in known), *coming])
        self._seen: dict[object, Length] = dict(enumerate(known))
        self._ended: list[tuple[float, float, Leaves]] = []
        self._level, self._weights = 0.0, np.zeros(len(self._columns))
        self._learn()

    @property
    def keys(self) -> set[str]:
        """Of a configuration, those that predictions depend on."""
        return {*WORK, *(column.key for column in self._columns)}

    @property
    def learned(self) -> bool:
        """Whether predictions are seconds; before the first outcome they are an order only."""
        return bool(self._seen)

    def suggest(self, leaves: Leaves) -> float:
        """Predicted seconds of all rounds."""
        return work(leaves) * math.exp(self._level + float(self._features(leaves) @ self._weights))

    def observe(self, run: str, length: Length) -> None:
        """Learn from a run; a later length of the same run replaces an earlier one, estimated from its pace."""
        self._seen[run] = length
        self._learn()

    def log(self, predicted: float, length: Length) -> None:
        """A run is over whose length was predicted before it began."""
        self._ended.append((math.log(predicted), math.log(length.seconds), length.leaves))

    @property
    def count(self) -> int:
        """Runs that are over and were predicted before they began."""
        return len(self._ended)

    @property
    def surrogate(self) -> float:
        """Sum of |log predicted - log seconds|, in nats."""
        return sum(abs(predicted - seconds) for predicted, seconds, _ in self._ended)

    def regret(self) -> Regret:
        """Sums of |log predicted - log seconds| in nats, beside the best fixed weights and level.

        The cost is the surrogate; the optimum, of predictions that are always right, is 0.
        """
        best = LinearDescent(len(self._columns) + 1, radius=max(RADIUS, 20.0))
        for _, seconds, leaves in self._ended:
            best.observe(np.append(self._features(leaves), 1.0), np.array([seconds - math.log(work(leaves))]))
        return Regret(self.count, self.surrogate, best.regret().best, self.surrogate)

    def _features(self, leaves: Leaves) -> Floats:
        return np.array([column(leaves) for column in self._columns])

    def _learn(self) -> None:
        """From the beginning, over all that was seen: dozens of runs, some milliseconds."""
        if not self._seen:
            return
        rests = {run: math.log(each.seconds / each.work) for run, each in self._seen.items()}
        self._level = statistics.median(rests.values())
        if not self._columns:
            return
        descent = LinearDescent(len(self._columns), radius=RADIUS)
        features = [self._features(each.leaves) for each in self._seen.values()]
        outcomes = [np.array([rest - self._level]) for rest in rests.values()]
        places = np.random.default_rng(0)
        for _ in range(-(-STEPS // len(features))):
            for place in places.permutation(len(features)):
                descent.observe(features[place], outcomes[place])
        self._weights = descent.matrix[:, 0]


def read_lengths(path: Path) -> list[Length]:
    """What earlier sweeps left behind; nothing where there is no such file, or another program's."""
    try:
        entries = json.loads(path.read_text())[LENGTHS]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    if not isinstance(entries, list):
        return []
    return [length for entry in entries if (length := _length(entry)) is not None]


def _length(entry: object) -> Length | None:
    """An entry, if it is one."""
    if not isinstance(entry, dict) or not isinstance(entry.get("leaves"), dict):
        return None
    seconds = entry.get("seconds")
    if not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        return None
    return Length(entry["leaves"], float(seconds))


def add_length(path: Path, length: Length) -> None:
    """Remember one more; another sweep may write at the same moment, and a length that is lost does no harm.

    A file that is not ours is left as it is.
    """
    known = read_lengths(path)
    if path.exists() and not known:
        return
    entries = [{"leaves": each.leaves, "seconds": each.seconds} for each in [*known, length]]
    with contextlib.suppress(StorageError):
        replace_text(path, json.dumps({LENGTHS: entries[-KEPT:]}))
