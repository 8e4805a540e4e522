"""Fashion-MNIST from the Debian package or any folder of idx files in MNIST's format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fedkd.data import idx
from fedkd.data.bounds import at_least
from fedkd.data.dataset import Dataset, Outline, Source
from fedkd.data.selection import Choice, Pool
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.keys import Key

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
# Of the decompressed bytes.
_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
_SCALE = (0.2860, 0.3530, 255.0)


@dataclass(frozen=True)
class Fashion(Source):
    """Images and labels in four idx files; 60,000 + 10,000 of 1 x 28 x 28 for Fashion-MNIST.

    Where one file is Fashion-MNIST's, all four must be, byte for byte. Any other set in this format is
    taken as it is, named ``idx:<folder>`` and standardised by the mean and deviation of its training pixels.

    Args:
        path: folder of the idx or idx.gz files, None for the Debian package dataset-fashion-mnist.
        samples: training samples that clients hold, 0 for all that are not public.
        public: held-out samples that no client holds.
        test: test samples, 0 for all.
    """

    path: str | None
    samples: int
    public: int
    test: int

    def __post_init__(self) -> None:
        for field in ("samples", "public", "test"):
            at_least(self, field, 0)

    @property
    def folder(self) -> Path:
        """Where the files are looked for."""
        return DEBIAN_FOLDER if self.path is None else Path(self.path).expanduser()

    def is_there(self) -> bool:
        """Whether all four files are in the folder."""
        return all(idx.find(self.folder, name) for name in _SHA256)

    def _choice(self) -> Choice:
        return Choice("Fashion", self.samples, self.public, self.test)

    def check(self) -> None:
        """Refuse missing files and more samples than their headers promise."""
        sizes = {name: idx.peek(idx.locate(self.folder, name)) for name in _SHA256}
        self._choice().training(sizes["train-labels-idx1-ubyte"])
        self._choice().testing(sizes["t10k-labels-idx1-ubyte"])

    def available(self) -> int:
        """Training samples, from the header of the label file."""
        return self._choice().training(idx.peek(idx.locate(self.folder, "train-labels-idx1-ubyte")))

    def outline(self) -> Outline | None:
        """Grey images, for Fashion-MNIST itself; another folder's are known when they are read."""
        return Outline((1, 28, 28), 10) if self.path is None else None

    def load(self, key: Key) -> Dataset:
        """Load and verify the files, choose by the key, standardise."""
        parts = {name: idx.read(idx.locate(self.folder, name)) for name in _SHA256}
        matching = {name for name, (_, sha256) in parts.items() if sha256 == _SHA256[name]}
        if (matching or self.path is None) and len(matching) < len(parts):
            raise ConfigurationError(
                f"{self.folder}: {', '.join(sorted(set(parts) - matching))} differs from Fashion-MNIST's "
                "published bytes; reinstall dataset-fashion-mnist or download the file again"
            )
        arrays = [array for array, _ in parts.values()]
        name = "fashion-mnist" if matching else f"idx:{self.folder.name}"
        return self._choice().draw(_pool(self.folder, name, arrays, _SCALE if matching else None), key)


def _pool(folder: Path, name: str, arrays: list[NDArray[np.uint8]], scale: tuple[float, float, float] | None) -> Pool:
    train_x, train_y, test_x, test_y = arrays
    for images, labels, part in ((train_x, train_y, "train"), (test_x, test_y, "t10k")):
        if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
            raise ConfigurationError(
                f"{folder}: {part} images {images.shape} do not belong to {part} labels {labels.shape}; "
                "give [n, height, width] images with n labels"
            )
    return Pool(name, train_x, train_y, test_x, test_y, *(scale or _measure(train_x)))


def _measure(images: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Mean and deviation of the pixels, from their histogram, and the full scale."""
    counts = np.bincount(images.reshape(-1), minlength=256)
    levels = np.arange(256) / 255.0
    mean = float(counts @ levels / max(counts.sum(), 1))
    variance = float(counts @ (levels - mean) ** 2 / max(counts.sum(), 1))
    return mean, variance**0.5 or 1.0, 255.0
