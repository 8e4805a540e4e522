"""Convex problems with known constants: each client has its own optimum, all share one Hessian spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd.data.bounds import at_least, fitting, positive
from fedkd.data.dataset import Dataset, Outline, Source, Split
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.keys import Key

    FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class SyntheticLeastSquares(Source):
    """Noisy linear measurements y = X_i w_i + noise e of each client i, w_i = w_0 + heterogeneity u_i.

    X_i^T X_i / n is the same matrix for every client, with eigenvalues geometric in [strong_convexity, 1]:
    with F_i = |X_i w - y|^2 / (2n) each F_i and their mean have L = 1 and mu = strong_convexity exactly.
    The u_i have norm about 1 and mean zero, so that without noise w_0 minimises the mean.

    Args:
        clients: owners of the samples, >= 1.
        samples_per_client: n, >= dim.
        dim: length of w, >= 1.
        strong_convexity: mu, in (0, 1].
        heterogeneity: distance between the clients' optima and their mean, >= 0.
        noise: standard deviation of the noise, >= 0.
    """

    clients: int
    samples_per_client: int
    dim: int
    strong_convexity: float
    heterogeneity: float
    noise: float

    def __post_init__(self) -> None:
        _check(self)

    def available(self) -> int:
        """Training samples."""
        return self.clients * self.samples_per_client

    def outline(self) -> Outline:
        """Flat samples without classes."""
        return Outline((self.dim,), 0)

    def load(self, key: Key) -> Dataset:
        """Generate; test and public are empty."""
        x, response = _responses(self, key)
        noise = key.fold("noise").generator().standard_normal(response.shape)
        return _dataset("least_squares", x, response + self.noise * noise, classes=0)


@dataclass(frozen=True)
class SyntheticLogistic(Source):
    """Labels y = sign(X_i w_i + noise e) of each client i, w_i = w_0 + heterogeneity u_i, e logistic.

    Samples as in ``SyntheticLeastSquares``: with F_i = mean log(1 + exp(-y x.w)) each F_i has L = 1/4
    exactly, at w = 0. Noise 1 makes the logistic model with optimum w_i the true one of client i; noise 0
    makes its labels separable.

    Args:
        clients: owners of the samples, >= 1.
        samples_per_client: n, >= dim.
        dim: length of w, >= 1.
        strong_convexity: smallest eigenvalue of X_i^T X_i / n, in (0, 1].
        heterogeneity: distance between the clients' true w_i and their mean, >= 0.
        noise: scale of the logistic noise, >= 0.
    """

    clients: int
    samples_per_client: int
    dim: int
    strong_convexity: float
    heterogeneity: float
    noise: float

    def __post_init__(self) -> None:
        _check(self)

    def available(self) -> int:
        """Training samples."""
        return self.clients * self.samples_per_client

    def outline(self) -> Outline:
        """Flat samples of two classes."""
        return Outline((self.dim,), 2)

    def load(self, key: Key) -> Dataset:
        """Generate; test and public are empty."""
        x, response = _responses(self, key)
        noise = key.fold("noise").generator().logistic(size=response.shape)
        labels = np.where(response + self.noise * noise > 0, 1.0, -1.0)
        return _dataset("logistic", x, labels, classes=2)


def _check(config: SyntheticLeastSquares | SyntheticLogistic) -> None:
    for field in ("clients", "samples_per_client", "dim"):
        at_least(config, field, 1)
    for field in ("heterogeneity", "noise"):
        at_least(config, field, 0)
    count = config.clients * config.samples_per_client * config.dim
    fitting(config, ("clients", "samples_per_client", "dim"), count)
    positive(config, "strong_convexity")
    name = type(config).__name__
    if config.strong_convexity > 1:
        raise ConfigurationError(
            f"{name}: strong_convexity={config.strong_convexity} exceeds 1, the largest eigenvalue; "
            "choose strong_convexity <= 1"
        )
    if config.samples_per_client < config.dim:
        raise ConfigurationError(
            f"{name}: samples_per_client={config.samples_per_client} is below dim={config.dim}; "
            "choose samples_per_client >= dim"
        )


def _responses(config: SyntheticLeastSquares | SyntheticLogistic, key: Key) -> tuple[FloatArray, FloatArray]:
    """Samples [clients, n, dim] and noiseless responses [clients, n]."""
    clients, count, dim = config.clients, config.samples_per_client, config.dim
    generator = key.fold("features").generator()
    bases = _orthonormal(generator.standard_normal((clients, dim, count)))
    axes = _orthonormal(generator.standard_normal((1, dim, dim)))[0]
    eigenvalues = config.strong_convexity ** np.linspace(1, 0, dim) if dim > 1 else np.ones(1)
    axes *= np.sqrt(count * eigenvalues)[:, None]
    x = np.einsum("ckn,kd->cnd", bases, axes)
    return x, np.einsum("cnd,cd->cn", x, _optima(config, key))


def _optima(config: SyntheticLeastSquares | SyntheticLogistic, key: Key) -> FloatArray:
    """w_i of each client, [clients, dim]."""
    generator = key.fold("optima").generator()
    common = generator.standard_normal(config.dim)
    common /= np.sqrt(np.sum(common**2))
    shifts = generator.standard_normal((config.clients, config.dim)) / np.sqrt(config.dim)
    shifts -= shifts.mean(axis=0)
    return np.asarray(common + config.heterogeneity * shifts, dtype=np.float64)


def _orthonormal(rows: FloatArray) -> FloatArray:
    """Orthonormalise the rows of each matrix [c, k, n] in place, by Gram-Schmidt done twice.

    Not by LAPACK, whose last bits depend on the number of threads.
    """
    for j in range(rows.shape[1]):
        row, before = rows[:, j], rows[:, :j]
        for _ in range(2):
            row -= np.einsum("ck,ckn->cn", np.einsum("ckn,cn->ck", before, row), before)
        row /= np.sqrt(np.sum(row**2, axis=1, keepdims=True))
    return rows


def _dataset(name: str, x: FloatArray, y: FloatArray, classes: int) -> Dataset:
    clients, count, dim = x.shape
    train = Split(torch.from_numpy(x.reshape(-1, dim)), torch.from_numpy(y.reshape(-1)))
    empty = train.take(np.zeros(0, dtype=np.int64))
    owner = np.repeat(np.arange(clients, dtype=np.int64), count)
    return Dataset(name, train, empty, empty, classes, owner)
