"""A source whose test split is held out of another's public samples, so that a search never sees the test set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fedkd.data.bounds import at_least
from fedkd.data.dataset import Dataset, Outline, Source
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class HeldOut(Source):
    """Another source with ``samples`` of its public samples in place of its test split; the rest stays public.

    The clients' samples are those of the wrapped source, bit for bit.

    Args:
        source: the wrapped source.
        samples: public samples that become the test split, >= 1.

    Example:
        ``HeldOut(Images(samples=6000, public=12000, test=0), samples=2000)`` leaves 10,000 to the teacher.
    """

    source: Source
    samples: int

    def __post_init__(self) -> None:
        at_least(self, "samples", 1)

    def check(self) -> None:
        """As the wrapped source does."""
        self.source.check()

    def available(self) -> int | None:
        """Training samples of the wrapped source."""
        return self.source.available()

    def outline(self) -> Outline | None:
        """That of the wrapped source."""
        return self.source.outline()

    def load(self, key: Key) -> Dataset:
        """Load the wrapped source and choose among its public samples by the key.

        Raises:
            ConfigurationError: it has fewer public samples than are to be held out.
        """
        data = self.source.load(key)
        total = len(data.public)
        if self.samples > total:
            raise ConfigurationError(
                f"HeldOut: samples={self.samples} exceeds the {total} public samples of {data.name!r}; "
                "choose more public samples, or hold out fewer"
            )
        order = key.fold("held out").permutation(total)
        held, rest = np.sort(order[: self.samples]), np.sort(order[self.samples :])
        return replace(data, test=data.public.take(held), public=data.public.take(rest))
