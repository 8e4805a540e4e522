"""A user's arrays are taken as they are, and refused in one line where they are no data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from fedkd.data import Dataset, Npz
from fedkd.errors import ConfigurationError
from fedkd_compression.keys import Key

if TYPE_CHECKING:
    from pathlib import Path

KEY = Key.of(0, "data")
X = np.arange(60.0).reshape(10, 3, 2)
Y = np.arange(10) % 4


def load(folder: Path, arrays: dict[str, Any], public: int = 0, test_fraction: float = 0.0) -> Dataset:
    np.savez(folder / "mine.npz", **arrays)
    return Npz(str(folder / "mine.npz"), public, test_fraction).load(KEY)


def test_arrays_are_kept_with_their_owners(tmp_path: Path) -> None:
    owner = np.arange(10)[::-1]
    dataset = load(tmp_path, {"x": X, "y": Y, "owner": owner, "x_test": X[:2], "y_test": Y[:2]})
    assert (dataset.name, dataset.classes, dataset.train.shape) == ("mine", 4, (3, 2))
    assert torch.equal(dataset.train.x, torch.from_numpy(X).float())
    assert dataset.train.y.tolist() == Y.tolist()
    assert dataset.owner is not None
    assert dataset.owner.tolist() == owner.tolist()
    assert (len(dataset.test), len(dataset.public)) == (2, 0)


def test_held_out_samples_are_disjoint_and_owners_follow(tmp_path: Path) -> None:
    dataset = load(tmp_path, {"x": X, "y": Y, "owner": np.arange(10)}, public=3, test_fraction=0.25)
    firsts = [split.x[:, 0, 0] / 6 for split in (dataset.train, dataset.public, dataset.test)]
    assert [len(first) for first in firsts] == [5, 3, 2]
    assert torch.cat(firsts).sort().values.tolist() == list(range(10))
    assert dataset.owner is not None
    assert dataset.owner.tolist() == firsts[0].tolist()


@pytest.mark.parametrize(
    ("labels", "classes", "kind"),
    [
        (Y, 4, torch.int64),
        (np.where(Y > 1, 1.0, -1.0), 2, torch.float64),
        (np.where(Y > 1, 1, -1), 2, torch.float64),
        (Y + 0.5, 0, torch.float64),
        (Y.astype(np.uint8), 4, torch.int64),
    ],
)
def test_kind_of_the_labels_decides_the_task(
    tmp_path: Path, labels: np.ndarray, classes: int, kind: torch.dtype
) -> None:
    dataset = load(tmp_path, {"x": X, "y": labels})
    assert (dataset.classes, dataset.train.y.dtype) == (classes, kind)
    assert dataset.train.x.dtype == (torch.float64 if kind == torch.float64 else torch.float32)


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"x": X}, "no array y"),
        ({"x": X, "y": Y, "x_test": X}, "no array y_test"),
        ({"x": X, "y": Y, "y_test": Y}, "no array x_test"),
        ({"x": np.float64(1), "y": Y}, "no array x;"),
        ({"x": X, "y": Y[:9]}, r"has y int64\[9\]; store 10 numbers"),
        ({"x": X, "y": Y, "owner": Y[:9]}, r"has owner int64\[9\]"),
        ({"x": X, "y": np.array(list("abcdefghij"))}, "has y <U1"),
        ({"x": np.where(X == 7, np.nan, X), "y": Y}, "NaN or infinity in x"),
        ({"x": X, "y": Y - 1}, "has class -1; number the classes 0, 1"),
        ({"x": X, "y": Y, "owner": Y + 0.5}, "has owner float64"),
        ({"x": X, "y": np.stack([Y, Y], axis=1)}, r"has y int64\[10, 2\]"),
        ({"x": X[:0], "y": Y[:0]}, "leaves 0 training samples"),
    ],
)
def test_arrays_that_are_no_data_set_are_refused(tmp_path: Path, arrays: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigurationError, match=match) as caught:
        load(tmp_path, arrays)
    assert "\n" not in str(caught.value)


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(tmp_path, {"x": np.array([{}, {}], dtype=object), "y": Y[:2]})


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"text"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"mine.npz cannot be read .*numpy.savez") as caught:
        Npz(str(tmp_path / "mine.npz"), 0, 0.0).load(KEY)
    assert "\n" not in str(caught.value)


def test_too_many_held_out_samples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="leaves 0 training samples after public=8"):
        load(tmp_path, {"x": X, "y": Y}, public=8, test_fraction=0.25)
    with pytest.raises(ConfigurationError, match=r"test_fraction=0.25; set test_fraction=0"):
        load(tmp_path, {"x": X, "y": Y, "x_test": X, "y_test": Y}, test_fraction=0.25)


def test_missing_file_is_refused_before_loading(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent.npz is missing; set data.path"):
        Npz(str(tmp_path / "absent.npz"), 0, 0.0).check()
