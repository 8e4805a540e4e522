"""A procedural many-class set with structure: classes come in groups that resemble each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from fedkd.data.bounds import at_least, fitting, one_of, positive
from fedkd.data.dataset import Dataset, Outline, Source, Split
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.keys import Key

_CELL = 4


@dataclass(frozen=True)
class Hierarchical(Source):
    """A sample of class c in group g is group_spread G_g + class_spread C_c + noise e, all standard normal.

    Class c belongs to group c // classes_per_group. Few samples a class and much noise make a large
    teacher fit them all and be over-confident, while classes of a group stay hard to tell apart.

    Args:
        groups: number of groups, >= 1.
        classes_per_group: classes of each group, >= 1.
        samples_per_class: training samples of each class, >= 1.
        public_per_class: samples of each class that no client holds, >= 0.
        test_per_class: test samples of each class, >= 1.
        dim: numbers in a sample, >= 1; the square of a multiple of 4 for images.
        layout: "flat" [dim] or "image" [1, side, side] with prototypes constant on cells of 4 x 4 pixels.
        group_spread: deviation of the groups' prototypes, >= 0.
        class_spread: deviation of the classes around their group, > 0.
        noise: deviation of the samples around their class, >= 0.
    """

    groups: int
    classes_per_group: int
    samples_per_class: int
    public_per_class: int
    test_per_class: int
    dim: int
    layout: Literal["flat", "image"]
    group_spread: float
    class_spread: float
    noise: float

    def __post_init__(self) -> None:
        for field in ("groups", "classes_per_group", "samples_per_class", "test_per_class", "dim"):
            at_least(self, field, 1)
        for field in ("public_per_class", "group_spread", "noise"):
            at_least(self, field, 0)
        of_class = ("samples_per_class", "public_per_class", "test_per_class")
        each = sum(getattr(self, field) for field in of_class)
        fitting(self, ("groups", "classes_per_group", *of_class, "dim"), self.classes * each * self.dim)
        positive(self, "class_spread")
        one_of(self, "layout", ("flat", "image"))
        if self.layout == "image" and (self._side**2 != self.dim or self._side % _CELL):
            raise ConfigurationError(
                f"Hierarchical: dim={self.dim} is not the square of a multiple of {_CELL}; "
                "choose dim=784 or layout=flat"
            )

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.groups * self.classes_per_group

    @property
    def _side(self) -> int:
        return math.isqrt(self.dim)

    def available(self) -> int:
        """Training samples."""
        return self.classes * self.samples_per_class

    def outline(self) -> Outline:
        """Flat samples or square images."""
        return Outline((1, self._side, self._side) if self.layout == "image" else (self.dim,), self.classes)

    def load(self, key: Key) -> Dataset:
        """Generate the prototypes, then the samples of each split around them."""
        prototypes = self._prototypes(key.fold("prototypes"))
        train = self._split(prototypes, self.samples_per_class, key.fold("train"))
        test = self._split(prototypes, self.test_per_class, key.fold("test"))
        public = self._split(prototypes, self.public_per_class, key.fold("public"))
        return Dataset("hierarchical", train, test, public, self.classes, owner=None)

    def _prototypes(self, key: Key) -> NDArray[np.float32]:
        """Centre of each class, [classes, dim]."""
        size = self.dim // _CELL**2 if self.layout == "image" else self.dim
        generator = key.generator()
        groups = self.group_spread * generator.standard_normal((self.groups, 1, size))
        offsets = self.class_spread * generator.standard_normal((self.groups, self.classes_per_group, size))
        centres: NDArray[np.float32] = (groups + offsets).reshape(self.classes, size).astype(np.float32)
        if self.layout == "flat":
            return centres
        cells = centres.reshape(self.classes, self._side // _CELL, self._side // _CELL)
        return np.kron(cells, np.ones((1, _CELL, _CELL), dtype=np.float32)).reshape(self.classes, self.dim)

    def _split(self, prototypes: NDArray[np.float32], per_class: int, key: Key) -> Split:
        """``per_class`` samples of each class, class after class."""
        shape = (self.classes, per_class, self.dim)
        noise = key.generator().standard_normal(shape, dtype=np.float32)
        x = torch.from_numpy(prototypes[:, None] + np.float32(self.noise) * noise)
        y = torch.from_numpy(np.repeat(np.arange(self.classes, dtype=np.int64), per_class))
        sample = (1, self._side, self._side) if self.layout == "image" else (self.dim,)
        return Split(x.reshape(-1, *sample), y)
