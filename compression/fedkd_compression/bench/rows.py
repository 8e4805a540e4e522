"""The rows that operators are measured on: three distributions, and updates of a federated run."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fedkd_compression.errors import OperatorError
from fedkd_compression.keys import Key

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

UPDATES = "updates"
FREEDOM = 5
"""Degrees of freedom of Student's t: the heaviest tail with a fourth moment, so that measured distortions settle."""


@dataclass(frozen=True)
class Rows:
    """Rows under a name.

    Args:
        name: as on the command line.
        meaning: in a few words.
        values: float32 [n, d].
    """

    name: str
    meaning: str
    values: Tensor

    @property
    def dim(self) -> int:
        """Coordinates of a row."""
        return self.values.shape[1]

    def cut(self, most: int | None) -> Rows:
        """The same rows, of at most so many coordinates."""
        return self if most is None or self.dim <= most else replace(self, values=self.values[:, :most].contiguous())


Draw = Callable[[np.random.Generator, int], "NDArray[np.float64]"]

DISTRIBUTIONS: dict[str, tuple[str, Draw]] = {
    "gaussian": ("independent Gaussian coordinates", lambda generator, dim: generator.standard_normal(dim)),
    "laplace": ("independent Laplace coordinates", lambda generator, dim: generator.laplace(size=dim)),
    "student": (
        f"independent Student-t coordinates with {FREEDOM} degrees of freedom",
        lambda generator, dim: generator.standard_t(FREEDOM, dim),
    ),
}
NAMES = (*DISTRIBUTIONS, UPDATES)


def rows_of(name: str, dim: int, updates: Path | None) -> Rows:
    """Rows by their name.

    Args:
        name: one of ``NAMES``.
        dim: dimension of drawn rows; updates have their own.
        updates: an npz file of one's own; None for the updates that come with the package.

    Raises:
        OperatorError: an unknown name, a dimension below 2, or an unreadable file.
    """
    if name == UPDATES:
        return _recorded(updates)
    if name not in DISTRIBUTIONS:
        raise OperatorError(f"rows: {name} is unknown; choose of {', '.join(NAMES)}")
    if dim < 2:
        raise OperatorError(f"rows: dim={dim} is below 2; choose dim = 1048576")
    meaning, draw = DISTRIBUTIONS[name]
    drawn = draw(Key.of(0, "bench", name).generator(), dim)
    return Rows(name, meaning, torch.from_numpy(drawn.astype(np.float32))[None])


def _recorded(updates: Path | None) -> Rows:
    if updates is None:
        packaged = resources.as_file(resources.files("fedkd_compression.bench") / "updates.npz")
        return Rows(UPDATES, "updates of clients of the main job, after their memory is subtracted", _read(packaged))
    return Rows(UPDATES, f"rows of {updates.name}", _read(nullcontext(updates)))


def _read(place: AbstractContextManager[Path]) -> Tensor:
    """All arrays of an npz file as rows of one length, float32."""
    with place as path:
        try:
            with np.load(path, allow_pickle=False) as held:
                arrays = [np.atleast_2d(held[name]) for name in held.files]
        except (OSError, ValueError, AttributeError, zipfile.BadZipFile) as error:
            raise OperatorError(f"updates: {path.name} cannot be read ({error}); give an npz file of arrays") from None
    return torch.from_numpy(_stacked(arrays, path.name))


def _stacked(arrays: list[NDArray[Any]], name: str) -> NDArray[np.float32]:
    if len({array.shape[1:] for array in arrays}) != 1 or any(
        array.ndim != 2 or array.dtype.kind != "f" for array in arrays
    ):
        found = ", ".join(f"{array.dtype} {array.shape}" for array in arrays) or "nothing"
        raise OperatorError(f"updates: {name} holds {found}; give floats [d] or [n, d] of one d")
    rows = np.concatenate(arrays).astype(np.float32)
    if not np.isfinite(rows).all() or not rows.any(axis=1).all():
        raise OperatorError(f"updates: {name} holds a row of zeros, NaN or infinity; leave it out")
    return rows
