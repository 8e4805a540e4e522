"""Which samples of a pool clients hold, which are public and which test the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd.data.dataset import Dataset, Split
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class Pool:
    """Images as they are stored, before any choice.

    Args:
        name: name of the set.
        mean: mean of the pixels / 255 (or the set's own full scale), a constant of the set.
        std: their standard deviation.
        full: pixel value that stands for 1.0.

    Shapes: train_x [n, height, width] uint8; train_y [n]; test_x, test_y likewise.
    """

    name: str
    train_x: NDArray[np.uint8]
    train_y: NDArray[np.uint8]
    test_x: NDArray[np.uint8]
    test_y: NDArray[np.uint8]
    mean: float
    std: float
    full: float


@dataclass(frozen=True)
class Choice:
    """How many samples of a pool are used.

    Args:
        source: name of the source, for messages.
        samples: training samples, 0 for all that are not public.
        public: held-out samples that no client holds.
        test: test samples, 0 for all.
    """

    source: str
    samples: int
    public: int
    test: int

    def training(self, pool: int) -> int:
        """Number of training samples out of ``pool``; raises ConfigurationError where they do not fit."""
        if self.public > pool or max(self.samples, 1) + self.public > pool:
            raise ConfigurationError(
                f"{self.source}: samples={self.samples} + public={self.public} exceed the {pool} training "
                f"samples there are; choose samples + public <= {pool} with at least one sample"
            )
        return self.samples or pool - self.public

    def testing(self, pool: int) -> int:
        """Number of test samples out of ``pool``; raises ConfigurationError where they do not fit."""
        if self.test > pool:
            raise ConfigurationError(
                f"{self.source}: test={self.test} exceeds the {pool} test samples there are; "
                f"choose test <= {pool}, or 0 for all"
            )
        return self.test or pool

    def draw(self, pool: Pool, key: Key) -> Dataset:
        """Choose samples by the key and standardise their pixels.

        Training samples do not depend on how many are public or test, as long as all fit.
        """
        count, total = self.training(len(pool.train_y)), len(pool.train_y)
        order = key.fold("train").permutation(total)
        tests = key.fold("test").permutation(len(pool.test_y))[: self.testing(len(pool.test_y))]
        train = _standardise(pool, pool.train_x, pool.train_y, order[:count])
        public = _standardise(pool, pool.train_x, pool.train_y, order[total - self.public :])
        test = _standardise(pool, pool.test_x, pool.test_y, tests)
        classes = int(pool.train_y.max()) + 1
        return Dataset(pool.name, train, test, public, classes, owner=None)


def every_fifth(labels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Mask of a fixed stratified fifth: the 5th, 10th, ... sample of each class in stored order."""
    mask = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        mask[np.flatnonzero(labels == label)[4::5]] = True
    return mask


def stratified_pool(
    name: str, images: NDArray[np.uint8], labels: NDArray[np.uint8], scale: tuple[float, float, float]
) -> Pool:
    """Pool of a set without a test set of its own: a fixed stratified fifth tests.

    Args:
        name: name of the set.
        images: [n, height, width].
        labels: [n].
        scale: mean, standard deviation and full scale of the pixels.
    """
    held = every_fifth(labels)
    return Pool(name, images[~held], labels[~held], images[held], labels[held], *scale)


def _standardise(pool: Pool, images: NDArray[np.uint8], labels: NDArray[np.uint8], indices: NDArray[np.int64]) -> Split:
    """Samples at the indices in stored order: (pixel / full - mean) / std, [n, 1, height, width]."""
    rows = np.sort(indices)
    scaled = torch.from_numpy(images[rows]).float().unsqueeze(1)
    scaled.mul_(1 / (pool.full * pool.std)).sub_(pool.mean / pool.std)
    return Split(scaled, torch.from_numpy(labels[rows].astype(np.int64)))
