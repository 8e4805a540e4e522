"""A picture of features in the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def embedding(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first two principal components: U_2 S_2 of the singular value decomposition of x - mean(x).

    A component and its negative are equally good: the sign is such that its largest weight on a feature is positive.

    Args:
        x: features, finite.

    Shapes: x [n, f]; the result [n, 2]; a component that does not exist is zero.

    Example:
        >>> embedding(np.array([[0.0, 1.0], [2.0, 1.0]])).tolist()
        [[-1.0, 0.0], [1.0, 0.0]]
    """
    left, sizes, right = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    largest = np.abs(right).argmax(axis=1)
    signs = np.sign(right[np.arange(len(right)), largest])
    found = (left * sizes * signs)[:, :2]
    return np.pad(found, ((0, 0), (0, 2 - found.shape[1])))
