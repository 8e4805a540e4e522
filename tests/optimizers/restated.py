"""The learned update once more, in NumPy, from the paper's formulas: one decay, one coordinate after another.

Nothing of fedkd is used. Notation: g gradient, p parameter, m momenta, v second moment, R and C row and column
accumulators, t steps before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

INITIAL = (0.9, 0.99, 0.999, 0.999, 0.9, 0.99, 0.999)
"""Decays of momenta, of the second moment, of rows and columns."""
TAUS = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
FEATURES, UNITS = 28 + len(TAUS), 4


def root(values: np.ndarray, epsilon: float = 1e-6) -> np.ndarray:
    """1/sqrt(x + epsilon)."""
    return 1 / np.sqrt(values + epsilon)


class Restated:
    """One tensor under one optimizer: ``step(g)`` changes ``p``.

    Args:
        terms: the form's fields by name.
        learned: offsets of decays, then weights [inputs, outputs] and biases, layer by layer.
        p: the tensor at the start.
    """

    def __init__(self, terms: Mapping[str, Any], learned: np.ndarray, p: np.ndarray) -> None:
        self.terms, self.p, self.t = terms, p.copy(), 0
        decays = [1 - np.exp(10 * (np.log(1 - d) / 10 + o)) for d, o in zip(INITIAL, learned[:7], strict=True)]
        self.decays = [min(max(decay, 0.0), 1.0) for decay in decays]
        self.layers, start = [], 7
        for inputs, outputs in ((FEATURES, UNITS), (UNITS, UNITS), (UNITS, terms["heads"])):
            weight = learned[start : start + inputs * outputs].reshape(inputs, outputs)
            start += inputs * outputs
            self.layers.append((weight, learned[start : start + outputs]))
            start += outputs
        assert start == len(learned)
        self.m, self.v = [np.zeros(p.shape)] * 3, np.zeros(p.shape)
        longest_first = sorted(range(p.ndim), key=lambda axis: (p.shape[axis], axis), reverse=True)
        # A row's mean runs over the longest dimension, a column's over the second longest.
        self.axes = longest_first[:2] if p.ndim >= 2 else None
        self.R: list[Any] = [0.0] * 3
        self.C: list[Any] = [0.0] * 3

    def step(self, g: np.ndarray) -> None:
        self._remember(g)
        features, change = self._features(g), np.zeros(g.shape)
        for place in np.ndindex(g.shape):
            change[place] = self._change(features[(slice(None), *place)], g[place], place)
        self.p, self.t = self.p - change - self.terms["weight_decay"] * self.p, self.t + 1

    def _remember(self, g: np.ndarray) -> None:
        square = g**2 + 1e-30
        for k in range(3):
            beta, gamma = self.decays[k], self.decays[4 + k]
            self.m[k] = beta * self.m[k] + (1 - beta) * g
            row, column = (square.mean(a, keepdims=True) for a in self.axes) if self.axes else (square, square)
            self.R[k] = gamma * self.R[k] + (1 - gamma) * row
            self.C[k] = gamma * self.C[k] + (1 - gamma) * column
        self.v = self.decays[3] * self.v + (1 - self.decays[3]) * g**2

    def _features(self, g: np.ndarray) -> np.ndarray:
        """[28, *s], each divided by its root mean square."""
        scale = [self._scales(k) for k in range(3)]
        parts = [g, self.p, *self.m, self.v, *(m * root(self.v) for m in self.m), root(self.v)]
        parts += [g * of_gradient for of_gradient, _ in scale]
        parts += [*self.R, *self.C, *(root(R, 1e-8) for R in self.R), *(root(C, 1e-8) for C in self.C)]
        parts += [m * of_momentum for m, (_, of_momentum) in zip(self.m, scale, strict=True)]
        wide = [np.broadcast_to(part, g.shape) for part in parts]
        assert len(wide) == 28
        return np.stack([part / np.sqrt(1e-5 + (part**2).mean()) for part in wide])

    def _scales(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """What the factored second moment divides the gradient and the momentum by, as factors."""
        R, C = self.R[k], self.C[k]
        if self.axes is None:
            return root(R, 1e-9), root(R, 1e-6)
        relative = R / (R.mean(self.axes[1], keepdims=True) + 1e-9)
        factor = 1 / np.sqrt(np.maximum(relative, 1e-9)) / np.sqrt(np.maximum(C, 1e-9))
        return factor, factor

    def _change(self, features: np.ndarray, g: float, place: tuple[int, ...]) -> float:
        """Free and nominal term of one coordinate."""
        x = np.concatenate([features, [np.tanh(self.t / tau - 1) for tau in TAUS]])
        for depth, (weight, bias) in enumerate(self.layers):
            x = (np.maximum(x, 0) if depth else x) @ weight + bias
        terms, normal = self.terms, 1 / np.sqrt(self.v[place] + 1e-6)
        free = terms["free_step"] * x[0] * np.exp(terms["free_exponent"] * x[1])
        if terms["preconditioned"]:
            free *= normal
        first, second, third = (m[place] for m in self.m)
        known = {"SGD": g, "SGDM": first, "AggMo": (first + second + third) / 3}
        known |= {"Adam": first * normal, "AdamAggMo": (first + second + third) / 3 * normal}
        size = terms["nominal_step"] * (np.exp(terms["nominal_exponent"] * x[2]) if len(x) == 3 else 1)
        return free + size * known[terms["nominal"]]
