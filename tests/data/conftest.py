"""Small files that the tests of data read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """The array in idx format: magic, dimensions, big-endian sizes, bytes."""
    sizes = np.array(array.shape, dtype=">u4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


@pytest.fixture
def idx_folder(tmp_path: Path) -> Path:
    """A folder of four plain idx files: 40 training and 20 test images of 6 x 5, 4 classes."""
    generator = np.random.default_rng(0)
    folder = tmp_path / "letters"
    folder.mkdir()
    for part, count in (("train", 40), ("t10k", 20)):
        images = generator.integers(0, 256, (count, 6, 5), dtype=np.uint8)
        labels = (np.arange(count) % 4).astype(np.uint8)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    return folder
