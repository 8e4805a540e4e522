"""Frozen features: what all layers of a network but the last make of samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd.errors import ConfigurationError
from fedkd.models.modes import evaluating

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

CHUNK = 2048
"""Samples that go through the network together, at most."""


@dataclass(frozen=True)
class Features:
    """Features of samples, and the samples' labels.

    Shapes: x [n, f]; y [n].

    Raises:
        ConfigurationError: x is no table, x and y differ in length, or there is nothing.
    """

    x: NDArray[np.float64]
    y: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.x.ndim != 2 or not self.x.size or self.y.shape != self.x.shape[:1]:
            raise ConfigurationError(
                f"Features: x {list(self.x.shape)} and y {list(self.y.shape)} are not [n, f] and [n]; "
                "give every sample one row of features and one label"
            )

    def __len__(self) -> int:
        return len(self.y)

    @property
    def finite(self) -> bool:
        """Whether no number is infinite or not a number, as those of a run that diverged are."""
        return bool(np.isfinite(self.x).all())

    def take(self, rows: NDArray[np.int64]) -> Features:
        """Those of some samples."""
        return Features(self.x[rows], self.y[rows])


def features(
    module: nn.Module, x: Tensor, laid: Callable[[Tensor], Tensor] = lambda samples: samples
) -> NDArray[np.float64]:
    """f(x): the outputs of all children of a network but the last, flattened, in evaluation mode.

    Chunks are of equal sizes, up to one sample: a network that normalises by the batch sees no small remainder.

    Args:
        module: a Sequential of at least two children; its mode is the same afterwards.
        x: samples on the module's device.
        laid: the samples as the network's convolutions want them.

    Shapes: x [n, ...]; the result [n, f], on the CPU.

    Raises:
        ConfigurationError: the network has no last child to leave out.
    """
    if not isinstance(module, torch.nn.Sequential) or len(module) < 2:
        raise ConfigurationError(
            f"features: {type(module).__name__} is no Sequential of two layers or more, so its last one cannot be "
            "left out; choose a model of fedkd.models"
        )
    trunk = module[:-1]
    with evaluating(module), torch.no_grad():
        chunks = torch.tensor_split(x, max(-(-len(x) // CHUNK), 1))
        found = [trunk(laid(chunk)).flatten(1).double().cpu() for chunk in chunks]
    outputs: NDArray[np.float64] = torch.cat(found).numpy()
    return outputs
