"""idx files are read exactly, and every way to break one gives a single clear line."""

from __future__ import annotations

import gzip
import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fedkd.data import idx
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

IMAGES = np.arange(60, dtype=np.uint8).reshape(5, 4, 3)
CONTENT = bytes([0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 4, 0, 0, 0, 3]) + IMAGES.tobytes()


@pytest.mark.parametrize("stored", [CONTENT, gzip.compress(CONTENT)], ids=["plain", "gzip"])
def test_array_and_hash_of_the_decompressed_bytes_are_exact(tmp_path: Path, stored: bytes) -> None:
    path = tmp_path / "images"
    path.write_bytes(stored)
    array, sha256 = idx.read(path)
    np.testing.assert_array_equal(array, IMAGES)
    assert sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert idx.peek(path) == 5


@pytest.mark.parametrize("kept", range(len(CONTENT)))
def test_every_truncation_of_a_plain_file_is_refused(tmp_path: Path, kept: int) -> None:
    assert_refused(tmp_path, CONTENT[:kept])


def test_every_truncation_of_a_gzip_file_is_refused(tmp_path: Path) -> None:
    stored = gzip.compress(CONTENT)
    for kept in range(2, len(stored)):
        assert_refused(tmp_path, stored[:kept])


@pytest.mark.parametrize(
    "stored",
    [
        CONTENT + b"\0",
        b"\x89PNG" + CONTENT,
        bytes([0, 0, 13, 3]) + CONTENT[4:],
        bytes([0, 0, 8, 0]) + CONTENT[4:],
        bytes([0, 0, 8, 200]) + CONTENT[4:],
        bytes([0, 0, 8, 3]) + b"\xff" * 12 + IMAGES.tobytes(),
        gzip.compress(CONTENT)[:30] + b"\xff" * 20,
    ],
    ids=["too long", "png", "floats", "no dimension", "200 dimensions", "huge shape", "corrupt gzip"],
)
def test_other_content_is_refused(tmp_path: Path, stored: bytes) -> None:
    assert_refused(tmp_path, stored)


def test_flipped_byte_in_a_gzip_file_is_refused(tmp_path: Path) -> None:
    stored = bytearray(gzip.compress(CONTENT))
    stored[-7] ^= 1
    assert_refused(tmp_path, bytes(stored))


def test_missing_file_names_the_path_and_the_fix(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="dataset-fashion-mnist") as caught:
        idx.locate(tmp_path, "train-images-idx3-ubyte")
    assert str(tmp_path) in str(caught.value)


def test_plain_file_is_preferred_to_its_gzip_twin(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(CONTENT)
    (tmp_path / "images.gz").write_bytes(b"")
    assert idx.locate(tmp_path, "images") == tmp_path / "images"


def assert_refused(folder: Path, stored: bytes) -> None:
    path = folder / "images"
    path.write_bytes(stored)
    with pytest.raises(ConfigurationError) as caught:
        idx.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
