"""What every data set is: three splits of samples, and the source that they are loaded from."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class Split:
    """Samples in rows, with their labels.

    Args:
        x: samples, float32 (float64 for convex sets).
        y: class labels, int64; float64 targets for regression, -1 and +1 for logistic regression.

    Shapes: x [n, ...]; y [n].

    Raises:
        ConfigurationError: x and y differ in length.
    """

    x: Tensor
    y: Tensor

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ConfigurationError(f"Split: {len(self.x)} samples but {len(self.y)} labels; give one label a sample")

    def __len__(self) -> int:
        return len(self.y)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.x.shape[1:])

    def on(self, device: str) -> Split:
        """The samples on a device."""
        return Split(self.x.to(device), self.y.to(device))

    def take(self, indices: NDArray[np.int64]) -> Split:
        """The samples at these indices, in their order, copied."""
        rows = torch.from_numpy(np.ascontiguousarray(indices, dtype=np.int64)).to(self.x.device)
        return Split(self.x.index_select(0, rows), self.y.index_select(0, rows))


class Outline(NamedTuple):
    """What a data set looks like: the shape of one sample, and the number of classes (0 for regression)."""

    shape: tuple[int, ...]
    classes: int


@dataclass(frozen=True)
class Dataset:
    """What a run learns from.

    Args:
        name: the set that was really loaded (a source that chooses says which).
        train: the samples that clients hold, before they are partitioned.
        test: the samples that the server's model is evaluated on; may be empty.
        public: samples that no client holds, for teachers and searches; may be empty.
        classes: number of classes, 0 for regression.
        owner: natural client id of each training sample [len(train)], or None.
    """

    name: str
    train: Split
    test: Split
    public: Split
    classes: int
    owner: NDArray[np.int64] | None

    def on(self, device: str) -> Dataset:
        """The set with its samples on a device."""
        train, test, public = (split.on(device) for split in (self.train, self.test, self.public))
        return replace(self, train=train, test=test, public=public)

    def sha256(self) -> str:
        """Hash of every byte of the splits and owners, with their shapes and types, as 64 hex digits."""
        digest = hashlib.sha256(f"{self.name} {self.classes}".encode())
        for split in (self.train, self.test, self.public):
            for tensor in (split.x, split.y):
                _absorb(digest, tensor.contiguous().numpy())
        if self.owner is not None:
            _absorb(digest, np.ascontiguousarray(self.owner))
        return digest.hexdigest()


class Source(ABC):
    """Which data set: subclasses are frozen dataclasses of plain values, named in the configuration.

    The samples are a function of the fields and of the key alone.
    """

    def check(self) -> None:
        """Refuse early what cannot be loaded; cheap, reads no samples.

        Raises:
            ConfigurationError: a file or a package is missing, or too many samples are asked for.
        """
        return

    @abstractmethod
    def load(self, key: Key) -> Dataset:
        """Load the samples; the key chooses which, where there is a choice."""

    def holds(self, client: int) -> bool:
        """Whether a client's samples are here; elsewhere than on its node they may not be."""
        return True

    def complete(self) -> bool:
        """Whether every client's samples are here."""
        return True

    def available(self) -> int | None:
        """Training samples that ``load`` will give, where that is known without loading."""
        return None

    def outline(self) -> Outline | None:
        """Shape and classes of the samples, where they are known without loading."""
        return None


def _absorb(digest: hashlib._Hash, array: NDArray[np.generic]) -> None:
    digest.update(f"{array.dtype.str}{array.shape}".encode())
    digest.update(array.reshape(-1).view(np.uint8).data)
