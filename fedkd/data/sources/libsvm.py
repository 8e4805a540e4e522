"""Files in libsvm's sparse text format, for convex problems."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from fedkd.data.bounds import fraction, one_of
from fedkd.data.dataset import Dataset, Source, Split
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.keys import Key

    FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Libsvm(Source):
    """One file "label index:value ..." a line; dense float64 samples.

    Args:
        path: the file (may be compressed as .gz or .bz2).
        target: "binary": two labels become -1 and +1 in ascending order; "regression": labels are kept.
        normalise: "none"; "rows": each sample to Euclidean norm 1; "columns": each feature to mean 0 and
            standard deviation 1.
        intercept: whether a feature that is always 1 is appended, after normalisation.
        test_fraction: share of the samples that tests, drawn by the key, in [0, 1).
    """

    path: str
    target: Literal["binary", "regression"]
    normalise: Literal["none", "rows", "columns"]
    intercept: bool
    test_fraction: float

    def __post_init__(self) -> None:
        one_of(self, "target", ("binary", "regression"))
        one_of(self, "normalise", ("none", "rows", "columns"))
        fraction(self, "test_fraction")

    def check(self) -> None:
        """Refuse a missing file."""
        if not Path(self.path).expanduser().is_file():
            raise ConfigurationError(f"Libsvm: {self.path} is missing; set data.path to a file in libsvm format")

    def load(self, key: Key) -> Dataset:
        """Parse, normalise, draw the test samples."""
        self.check()
        x, labels = self._parse()
        y = self._targets(labels)
        x = _normalise(x, self.normalise)
        if self.intercept:
            x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
        whole = Split(torch.from_numpy(x), torch.from_numpy(y))
        order = key.fold("test").permutation(len(y))
        held = int(self.test_fraction * len(y))
        train, test = whole.take(np.sort(order[held:])), whole.take(np.sort(order[:held]))
        classes = 2 if self.target == "binary" else 0
        return Dataset(Path(self.path).stem, train, test, whole.take(order[:0]), classes, owner=None)

    def _parse(self) -> tuple[FloatArray, FloatArray]:
        from sklearn.datasets import load_svmlight_file

        try:
            sparse, labels = load_svmlight_file(str(Path(self.path).expanduser()), dtype=np.float64)
        except (ValueError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigurationError(
                f"Libsvm: {self.path} cannot be parsed ({reason}); give lines of 'label index:value ...'"
            ) from None
        if not len(labels):
            raise ConfigurationError(f"Libsvm: {self.path} has no samples; give lines of 'label index:value ...'")
        return sparse.toarray(), labels

    def _targets(self, labels: FloatArray) -> FloatArray:
        if self.target == "regression":
            return labels
        distinct = np.unique(labels)
        if len(distinct) != 2:
            raise ConfigurationError(
                f"Libsvm: target=binary but {self.path} has {len(distinct)} distinct labels; "
                "choose target=regression or a file with two labels"
            )
        return np.where(labels == distinct[1], 1.0, -1.0)


def _normalise(x: FloatArray, how: str) -> FloatArray:
    """Scale; rows of zeros and constant columns become zeros."""
    if how == "rows":
        norms = np.sqrt(np.sum(x**2, axis=1, keepdims=True))
        return np.asarray(x / np.where(norms > 0, norms, 1.0), dtype=np.float64)
    if how == "columns":
        centred = x - x.mean(axis=0)
        constant = x.max(axis=0) == x.min(axis=0)
        deviation = np.where(constant, np.inf, np.sqrt(np.mean(centred**2, axis=0)))
        return np.asarray(centred / deviation, dtype=np.float64)
    return x
