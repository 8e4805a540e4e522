"""Data of the convex figures: a file in libsvm format, or sets that scikit-learn brings along."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd.data import Libsvm
from fedkd.durable import replace_bytes
from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.tasks import LeastSquares, Logistic
from fedkd.tasks.convex import Optimum
from sims.convex import clusters
from sims.convex.problems import Samples, stacked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]
    Pair = tuple[Reals, Reals]

EMBEDDED = ("breast_cancer", "digits")
BATCHES = {"a9a": 50, "quantum": 400, "phishing": 50, "superconduct": 50, "w8a": 12, "breast_cancer": 4, "digits": 8}
"""Samples of a stochastic gradient; those of the first five as in the published experiments."""
TASKS = {"superconduct": "least_squares"}
"""Of the data sets that are not classified."""
SPLITS = ("non-iid", "iid")


@dataclass(frozen=True)
class Choice:
    """What the figures ask for.

    Args:
        data: an embedded set, or the name of a file's set.
        path: of the file, or of a folder that has a file of that name; empty for an embedded set.
        task: "logistic" or "least_squares".
        split: "non-iid" or "iid".
        clients: N.
        batch: samples of a stochastic gradient; 0: all.
        tsne: samples that are embedded.
    """

    data: str
    path: str
    task: str
    split: str
    clients: int
    batch: int
    tsne: int


def load(choice: Choice) -> Pair:
    """Features [n, d], each of mean 0 and deviation 1, and then a constant one; targets [n].

    Raises:
        ConfigurationError: no such data, or not what the task needs.
    """
    x, y = _embedded(choice.data) if not choice.path else _file(choice)
    if choice.task == "least_squares":
        y = (y - y.mean()) / y.std()
    deviation = x.std(axis=0)
    scaled = (x - x.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    return np.concatenate([scaled, np.ones((len(x), 1))], axis=1), y


def problem(choice: Choice, seeds: tuple[int, ...], cache: Path, announce: Callable[[str], None]) -> Samples:
    """The clients' problem, without a ridge where there is a minimiser without one."""
    x, y = load(choice)
    if choice.split == "iid":
        order = key(0, "partition").permutation(len(y))
        parts = np.array_split(order, choice.clients)
    else:
        parts = clusters.parts(x[:, :-1], y, choice.clients, choice.tsne, cache, announce)
    pairs = [(torch.from_numpy(x[part]), torch.from_numpy(y[part])) for part in parts]
    whole = stacked(_task(choice), pairs, choice.batch, seeds)
    return replace(whole, optimum=_optimum(whole, cache, announce))


def smoothness(whole: Samples, kind: str) -> float:
    """L: "published" is the mean over the clients of their Hessian's Frobenius norm, "exact" the largest eigenvalue.

    The first bounds the second; it is what the authors' code calls L.
    """
    if kind == "exact":
        return whole.task.smoothness(whole.x, whole.weights)
    curvature = 0.25 if isinstance(whole.task, Logistic) else 1.0
    norms = [
        torch.linalg.matrix_norm(whole.x[part].T @ whole.x[part]).item() / len(part)
        for part in map(torch.from_numpy, whole.parts)
    ]
    return curvature * sum(norms) / len(norms) + whole.task.l2


def _optimum(whole: Samples, cache: Path, announce: Callable[[str], None]) -> Optimum:
    """The minimum of F by Newton's method, kept in a file named by the problem."""
    digest = hashlib.sha256(repr((whole.task, whole.samples)).encode())
    digest.update(whole.x.numpy().tobytes())
    digest.update(whole.y.numpy().tobytes())
    file = cache / f"optimum-{digest.hexdigest()[:16]}.npz"
    if file.is_file():
        with np.load(file, allow_pickle=False) as kept:
            return Optimum(torch.from_numpy(kept["w"]), float(kept["loss"]))
    announce(f"the optimum of {len(whole.y):,} samples; kept in {file}")
    found = whole.task.optimum(whole.x, whole.y, whole.weights)
    np.savez(buffer := BytesIO(), w=found.w.numpy(), loss=found.loss)
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_bytes(file, buffer.getvalue())
    return found


def _task(choice: Choice) -> LeastSquares | Logistic:
    """Classes that a plane separates have no minimiser: the embedded sets get a small ridge."""
    ridge = 0.0 if choice.path else 1e-3
    return LeastSquares(l2=ridge) if choice.task == "least_squares" else Logistic(l2=ridge)


def _embedded(name: str) -> Pair:
    from sklearn.datasets import load_breast_cancer, load_digits

    if name == "breast_cancer":
        x, y = load_breast_cancer(return_X_y=True)
        return x.astype(np.float64), np.where(y == 1, 1.0, -1.0)
    if name == "digits":
        x, y = load_digits(return_X_y=True)
        return x.astype(np.float64), np.where(y % 2 == 0, 1.0, -1.0)
    raise ConfigurationError(f"data={name}: give path=, a file in libsvm format, or choose {' or '.join(EMBEDDED)}")


def _file(choice: Choice) -> Pair:
    path = Path(choice.path).expanduser()
    file = path / choice.data if path.is_dir() else path
    target = "binary" if choice.task == "logistic" else "regression"
    source = Libsvm(str(file), target, "none", intercept=False, test_fraction=0.0)
    train = source.load(key(0, "data")).train
    return train.x.numpy(), train.y.numpy()
