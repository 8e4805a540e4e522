"""The non-iid split of MCM's experiments: t-SNE to two dimensions, a Gaussian mixture there, one cluster a client.

t-SNE is slow: of more samples than ``most`` a random part is embedded, and every other sample goes with the nearest
embedded one. What was found is kept in a file named by all that it depends on.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fedkd.durable import replace_bytes
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Reals = NDArray[np.float64]
    Labels = NDArray[np.int64]

RATIO = 10
"""The largest client has at most so many times the samples of the smallest."""
VERSION = 1


def parts(
    x: Reals, y: Reals, clients: int, most: int, cache: Path, announce: Callable[[str], None]
) -> list[NDArray[np.int64]]:
    """Which samples each client has.

    Args:
        x: standardised features [n, d].
        y: targets [n], embedded along with the features.
        clients: components of the mixture.
        most: samples that are embedded.
        cache: a folder.
        announce: told what takes time.

    Raises:
        ConfigurationError: fewer samples than clients.
    """
    if len(x) < 2 * clients:
        raise ConfigurationError(f"clients={clients}: {len(x)} samples are too few for clusters; choose fewer clients")
    data = np.concatenate([x, _standardised(y[:, None])], axis=1)
    digest = hashlib.sha256(np.ascontiguousarray(data).tobytes() + repr((clients, most, VERSION)).encode())
    file = cache / f"clusters-{digest.hexdigest()[:16]}.npy"
    if file.is_file():
        labels = np.load(file, allow_pickle=False)
    else:
        announce(f"t-SNE of {min(len(x), most):,} samples, a mixture of {clients} Gaussians; kept in {file}")
        labels = _labels(data, clients, most)
        _keep(labels, file)
    return rebalanced([np.flatnonzero(labels == cluster) for cluster in range(clients)])


def rebalanced(clusters: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """While the largest is more than RATIO times the smallest, it gives its first half to it.

    Example:
        >>> [len(part) for part in rebalanced([np.arange(44), np.arange(44, 46)])]
        [22, 24]
    """
    whole = [cluster.copy() for cluster in clusters]
    while True:
        sizes = [len(cluster) for cluster in whole]
        small, large = int(np.argmin(sizes)), int(np.argmax(sizes))
        if sizes[small] * RATIO >= sizes[large]:
            return whole
        half = sizes[large] // 2
        whole[small] = np.concatenate([whole[small], whole[large][:half]])
        whole[large] = whole[large][half:]


def _labels(data: Reals, clients: int, most: int) -> Labels:
    from sklearn.manifold import TSNE
    from sklearn.mixture import GaussianMixture
    from sklearn.neighbors import NearestNeighbors

    chosen = np.sort(np.random.default_rng(0).permutation(len(data))[:most])
    perplexity = min(30.0, (len(chosen) - 1) / 3)
    embedded = TSNE(random_state=0, perplexity=perplexity).fit_transform(data[chosen])
    mixture = GaussianMixture(clients, random_state=0, tol=1e-6, n_init=4, max_iter=2000)
    found: Labels = mixture.fit_predict(embedded).astype(np.int64)
    if len(chosen) == len(data):
        return found
    near = NearestNeighbors(n_neighbors=1).fit(data[chosen]).kneighbors(data, return_distance=False)[:, 0]
    return found[near]


def _keep(labels: Labels, file: Path) -> None:
    from io import BytesIO

    np.save(buffer := BytesIO(), labels, allow_pickle=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_bytes(file, buffer.getvalue())


def _standardised(x: Reals) -> Reals:
    deviation = x.std(axis=0)
    scaled: Reals = (x - x.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    return scaled
