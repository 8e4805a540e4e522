"""Handwritten digits of scikit-learn: 1,797 images of 8 x 8, embedded in a package, no network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fedkd.data.bounds import at_least
from fedkd.data.dataset import Dataset, Outline, Source
from fedkd.data.selection import Choice, stratified_pool

if TYPE_CHECKING:
    from fedkd_compression.keys import Key

_TRAINING, _TESTING = 1_442, 355
_SCALE = (0.3053, 0.3760, 16.0)


@dataclass(frozen=True)
class Digits(Source):
    """Digits of scikit-learn, 1 x 8 x 8, 10 classes: a fixed stratified fifth (355) tests, 1,442 train.

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
        return Choice("Digits", self.samples, self.public, self.test)

    def check(self) -> None:
        """Refuse more samples than there are."""
        self._choice().training(_TRAINING)
        self._choice().testing(_TESTING)

    def available(self) -> int:
        """Training samples."""
        return self._choice().training(_TRAINING)

    def outline(self) -> Outline:
        """Small grey images."""
        return Outline((1, 8, 8), 10)

    def load(self, key: Key) -> Dataset:
        """Load, choose by the key, standardise."""
        from sklearn.datasets import load_digits

        stored = load_digits()
        images, labels = stored.images.astype(np.uint8), stored.target.astype(np.uint8)
        return self._choice().draw(stratified_pool("digits", images, labels, _SCALE), key)
