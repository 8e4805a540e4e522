"""Losses again, in NumPy and float64, one sample and one class after another."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, fsum, log

import numpy as np


def softmax(row: list[float]) -> list[float]:
    top = max(row)
    powers = [exp(value - top) for value in row]
    return [power / fsum(powers) for power in powers]


def kl(q: list[float], p: list[float]) -> float:
    return fsum(a * (log(a) - log(b)) for a, b in zip(q, p, strict=True))


def scaled(row: np.ndarray, tau: float) -> list[float]:
    return [float(value) / tau for value in row]


def without(row: np.ndarray, label: int) -> np.ndarray:
    return np.delete(row, label)


def mean(z: np.ndarray, f: np.ndarray, y: np.ndarray, loss: Callable[[np.ndarray, np.ndarray, int], float]) -> float:
    """Over the samples: batchmean."""
    return fsum(loss(*sample) for sample in zip(z, f, y, strict=True)) / len(y)


def plain(z: np.ndarray, f: np.ndarray, y: np.ndarray, tau: float) -> float:
    return tau**2 * mean(z, f, y, lambda a, b, _: kl(softmax(scaled(b, tau)), softmax(scaled(a, tau))))


def not_true(z: np.ndarray, f: np.ndarray, y: np.ndarray, tau: float) -> float:
    return plain(
        np.stack([without(row, label) for row, label in zip(z, y, strict=True)]),
        np.stack([without(row, label) for row, label in zip(f, y, strict=True)]),
        y,
        tau,
    )


def decoupled(z: np.ndarray, f: np.ndarray, y: np.ndarray, alpha: float, beta: float, tau: float) -> float:
    def one(a: np.ndarray, b: np.ndarray, label: int) -> float:
        p, q = softmax(scaled(a, tau)), softmax(scaled(b, tau))
        target = kl([q[label], 1 - q[label]], [p[label], 1 - p[label]])
        wrong_p, wrong_q = ([v / (1 - s[label]) for c, v in enumerate(s) if c != label] for s in (p, q))
        return alpha * target + beta * kl(wrong_q, wrong_p)

    return tau**2 * mean(z, f, y, one)


def standardised(z: np.ndarray, f: np.ndarray, y: np.ndarray, tau: float) -> float:
    return plain(*((rows - rows.mean(1, keepdims=True)) / rows.std(1, keepdims=True) for rows in (z, f)), y, tau)


def correlation(z: np.ndarray, f: np.ndarray, y: np.ndarray, inter: float, intra: float, tau: float) -> float:
    p, q = (np.array([softmax(scaled(row, tau)) for row in rows]) for rows in (z, f))

    def distance(one: np.ndarray, other: np.ndarray) -> float:
        return 1 - float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(one, other, strict=True)]))

    return tau**2 * (inter * distance(p, q) + intra * distance(p.T, q.T))


def normalised(z: np.ndarray, f: np.ndarray, y: np.ndarray, gamma: float, tau: float) -> float:
    def one(a: np.ndarray, b: np.ndarray, label: int) -> float:
        own = -softmax(scaled(b, 1))[label] * log(softmax(scaled(a, 1))[label])
        p, q = (softmax(scaled(without(row, label), tau)) for row in (a, b))
        return own - gamma * tau**2 * fsum(u * log(v) for u, v in zip(q, p, strict=True))

    return mean(z, f, y, one)


def transformed(z: np.ndarray, f: np.ndarray, y: np.ndarray, tau: float) -> float:
    return mean(z, f, y, lambda a, b, _: kl(softmax(scaled(b, tau)), softmax(scaled(a, 1))))


def weighted_transformed(z: np.ndarray, f: np.ndarray, y: np.ndarray, tau: float) -> float:
    def one(a: np.ndarray, b: np.ndarray, _: int) -> float:
        powers = [chance ** (1 / tau) for chance in softmax(scaled(b, 1))]
        return fsum(powers) * kl([power / fsum(powers) for power in powers], softmax(scaled(a, 1)))

    return mean(z, f, y, one)
