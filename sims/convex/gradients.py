"""Gradients of many clients at their own models, and the samples of their batches, compiled.

A sample is read once and stays in the first cache for both of its products; the clients' rows are processed client by
client, so that those of several seeds find the client's samples in the second.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from fedkd_compression.kernels.compiled.streams import fill

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]
    Places = NDArray[np.int64]

SQUARES, LOGISTIC = 0, 1


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _dot(a: Reals, b: Reals) -> float:
    total = 0.0
    for j in range(a.size):
        total += a[j] * b[j]
    return total


@njit(cache=True, nogil=True)
def _slope(kind: int, score: float, target: float) -> float:
    """The loss of one sample, differentiated by its score."""
    if kind == SQUARES:
        return score - target
    margin = target * score
    return -target / (1.0 + math.exp(margin)) if margin < 700.0 else 0.0


@njit(cache=True, nogil=True, fastmath={"contract"})
def _add(x: Reals, factor: float, out: Reals) -> None:
    for j in range(out.size):
        out[j] += factor * x[j]


@njit(cache=True, nogil=True)
def on_batches(
    kind: int, l2: float, x: Reals, y: Reals, models: Reals, chosen: Places, counts: Places, out: Reals
) -> None:
    """Mean gradients [K, d] at models [K, d], each over the first ``counts`` [K] of its chosen samples [K, b]."""
    for row in range(len(models)):
        model, gradient = models[row], out[row]
        gradient[:] = 0.0
        for place in range(counts[row]):
            sample = x[chosen[row, place]]
            slope = _slope(kind, _dot(sample, model), y[chosen[row, place]])
            _add(sample, slope / counts[row], gradient)
        if l2 > 0:
            _add(model, l2, gradient)


@njit(cache=True, nogil=True)
def on_clients(
    kind: int, l2: float, x: Reals, y: Reals, models: Reals, begins: Places, counts: Places, out: Reals
) -> None:
    """The same over all samples of each row's client, which lie one after another from ``begins`` [K] on."""
    for row in range(len(models)):
        model, gradient = models[row], out[row]
        gradient[:] = 0.0
        for place in range(begins[row], begins[row] + counts[row]):
            _add(x[place], _slope(kind, _dot(x[place], model), y[place]) / counts[row], gradient)
        if l2 > 0:
            _add(model, l2, gradient)


@njit(cache=True, nogil=True)
def draw(keys: NDArray[np.uint64], begins: Places, counts: Places, size: int, chosen: Places) -> None:
    """The first ``size`` of ``Key.permutation(counts)`` of every stream, from ``begins`` on, into chosen [K, size]."""
    words, least = np.empty(counts.max(), np.uint32), np.empty(size, np.uint64)
    for row in range(keys.size):
        own = words[: counts[row]]
        fill(own, keys[row], 0)
        held = 0
        for place in range(own.size):
            item = np.uint64(own[place]) << np.uint64(32) | np.uint64(place)
            if held == size and item >= least[size - 1]:
                continue
            held = min(held + 1, size)
            at = held - 1
            while at > 0 and least[at - 1] > item:
                least[at] = least[at - 1]
                at -= 1
            least[at] = item
        for place in range(held):
            chosen[row, place] = begins[row] + np.int64(least[place] & np.uint64(0xFFFFFFFF))
