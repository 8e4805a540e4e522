"""Classifiers on features: prototypes of few labels, nearest neighbours, a linear layer."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from fedkd.probes.draws import labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd.probes.frozen import Features
    from fedkd_compression import Key

TOGETHER = 2**21
"""Numbers of several episodes that are held at once, about."""
STEPS = 500
"""Of L-BFGS, at most."""


def few_shot(reference: Features, test: Features, shots: int, episodes: int, key: Key) -> NDArray[np.float64]:
    """Accuracy of the nearest prototype by cosine; prototypes are means of normalised features of k labelled samples.

        p_c = mean over k samples of class c of f / |f|,    prediction = argmax_c cos(f, p_c)

    J. Snell et al., "Prototypical Networks for Few-shot Learning", NeurIPS 2017 (arXiv 1703.05175), with cosine.

    Args:
        reference: of which ``shots`` a class are drawn, with their labels.
        test: what is classified.
        shots: k, at most as many as any class has.
        episodes: independent draws.
        key: of the draws.

    Shapes: the result [episodes], in [0, 1].
    """
    known, queries = normalised(reference.x), normalised(test.x)
    drawn = labelled(reference.y, shots, episodes, key)
    classes, widest = np.unique(reference.y), max(len(test), shots * known.shape[1])
    block = max(TOGETHER // (len(classes) * widest), 1)
    found = [
        _episodes(known, drawn[start : start + block], queries, test.y, classes) for start in range(0, episodes, block)
    ]
    return np.concatenate(found)


def _episodes(
    known: NDArray[np.float64],
    drawn: NDArray[np.int64],
    queries: NDArray[np.float64],
    y: NDArray[np.int64],
    classes: NDArray[np.int64],
) -> NDArray[np.float64]:
    """The accuracies of the episodes of one block; drawn [e, classes, shots]."""
    prototypes = known[drawn].sum(axis=2)
    cosines = queries @ normalised(prototypes.reshape(-1, known.shape[1])).T
    nearest = classes[cosines.reshape(len(y), *drawn.shape[:2]).argmax(axis=-1)]
    shares: NDArray[np.float64] = (nearest == y[:, None]).mean(axis=0)
    return shares


def neighbours(reference: Features, test: Features, count: int) -> float:
    """Accuracy of the majority of the nearest reference samples by cosine; of a tie, the lowest class."""
    # Loaded where it is used: it takes a second.
    from sklearn.neighbors import KNeighborsClassifier

    voters = KNeighborsClassifier(count, metric="cosine", algorithm="brute").fit(reference.x, reference.y)
    return float(voters.score(test.x, test.y))


def linear(reference: Features, test: Features, labels: int, draws: int, key: Key) -> NDArray[np.float64]:
    """Accuracy of logistic regression on standardised features: min_W |W|^2 / 2 + sum of cross-entropies, no l2 on b.

    Means and deviations are those of all reference samples, which takes no labels.

    Args:
        reference: of which the layer learns.
        test: what is classified.
        labels: samples a class that bring theirs; 0: all, in one draw.
        draws: independent draws of them.
        key: of the draws.

    Shapes: the result [draws], or [1] with all labels; in [0, 1].
    """
    from sklearn.preprocessing import StandardScaler

    scale = StandardScaler().fit(reference.x)
    known, queries = scale.transform(reference.x), scale.transform(test.x)
    taken = labelled(reference.y, labels, draws, key).reshape(draws, -1) if labels else [np.arange(len(reference))]
    return np.array([_regression(known[rows], reference.y[rows], queries, test.y) for rows in taken])


def _regression(
    x: NDArray[np.float64], y: NDArray[np.int64], queries: NDArray[np.float64], expected: NDArray[np.int64]
) -> float:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # A probe that was stopped early is a probe still: accuracies no longer move after so many steps.
        warnings.simplefilter("ignore", ConvergenceWarning)
        layer = LogisticRegression(max_iter=STEPS).fit(x, y)
    return float(layer.score(queries, expected))


def normalised(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows at length 1; a row of zeros stays."""
    lengths = np.linalg.norm(x, axis=-1, keepdims=True)
    return x / np.where(lengths > 0, lengths, 1.0)
