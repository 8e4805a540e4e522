"""Short signals of ten shapes: shifted, stretched, tilted, in noise, as of a sensor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from fedkd_compression import Key

CLASSES, LENGTH = 10, 40
_KNOTS = 8
_NOISE = 0.3


def signals(stream: Key, samples: int) -> tuple[Tensor, Tensor]:
    """So many signals [samples, 40] with their classes, each of a class's own smooth curve.

    A curve goes through eight random heights; a sample is read from it at another place and speed, is scaled, tilted,
    and lies in noise.
    """
    random = stream.generator()
    heights = random.normal(size=(CLASSES, _KNOTS))
    classes = random.integers(CLASSES, size=samples)
    x = np.stack([_signal(heights[label], random) for label in classes])
    return torch.from_numpy(((x - x.mean()) / x.std()).astype(np.float32)), torch.from_numpy(classes)


def _signal(heights: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    speed, place = random.uniform(0.7, 1.0), random.uniform(0.0, 0.3)
    at = (_KNOTS - 1) * (place + speed * np.linspace(0.0, 1.0, LENGTH))
    curve = np.interp(at, np.arange(_KNOTS), heights)
    tilt = random.normal() * 0.3 * np.linspace(-1.0, 1.0, LENGTH)
    result: NDArray[np.float64] = curve * random.uniform(0.7, 1.3) + tilt + random.normal(size=LENGTH) * _NOISE
    return result
