"""libsvm files become dense samples, labels become signs, rows or columns are normalised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from fedkd.data import Libsvm
from fedkd.errors import ConfigurationError
from fedkd_compression.keys import Key

if TYPE_CHECKING:
    from pathlib import Path

KEY = Key.of(0, "data")
TEXT = "0 1:3 3:4\n1 2:1\n1\n0 1:1 2:1 3:1\n"


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "toy.txt").write_text(TEXT)
    return str(tmp_path / "toy.txt")


def test_samples_are_dense_and_labels_are_signs_in_ascending_order(path: str) -> None:
    dataset = Libsvm(path, "binary", "none", intercept=True, test_fraction=0.0).load(KEY)
    assert (dataset.name, dataset.classes, len(dataset.test), len(dataset.public)) == ("toy", 2, 0, 0)
    assert dataset.train.x.tolist() == [[3, 0, 4, 1], [0, 1, 0, 1], [0, 0, 0, 1], [1, 1, 1, 1]]
    assert dataset.train.y.tolist() == [-1, 1, 1, -1]
    assert dataset.train.x.dtype == dataset.train.y.dtype == torch.float64


def test_rows_have_norm_one_and_empty_rows_stay_zero(path: str) -> None:
    x = Libsvm(path, "binary", "rows", intercept=False, test_fraction=0.0).load(KEY).train.x
    assert x[0].tolist() == [0.6, 0, 0.8]
    torch.testing.assert_close(x.norm(dim=1), torch.tensor([1.0, 1, 0, 1]).double())


def test_columns_have_mean_zero_and_deviation_one(path: str) -> None:
    x = Libsvm(path, "regression", "columns", intercept=False, test_fraction=0.0).load(KEY).train.x
    torch.testing.assert_close(x.mean(dim=0), torch.zeros(3).double())
    torch.testing.assert_close(x.std(dim=0, correction=0), torch.ones(3).double())


def test_constant_column_becomes_zero(tmp_path: Path) -> None:
    (tmp_path / "toy").write_text("1 1:0.1 2:1\n2 1:0.1\n3 1:0.1\n")
    dataset = Libsvm(str(tmp_path / "toy"), "regression", "columns", False, 0.0).load(KEY)
    assert dataset.train.x[:, 0].tolist() == [0, 0, 0]
    assert (dataset.classes, dataset.train.y.tolist()) == (0, [1, 2, 3])


def test_test_fraction_is_drawn_by_the_key(tmp_path: Path) -> None:
    (tmp_path / "toy").write_text("".join(f"{i % 2} 1:{i}\n" for i in range(100)))
    source = Libsvm(str(tmp_path / "toy"), "binary", "none", False, test_fraction=0.25)
    dataset = source.load(KEY)
    assert (len(dataset.train), len(dataset.test)) == (75, 25)
    values = torch.cat([dataset.train.x, dataset.test.x]).sort(dim=0).values[:, 0]
    assert values.tolist() == list(range(100))
    assert source.load(KEY).sha256() == dataset.sha256() != source.load(Key.of(1)).sha256()


def test_missing_file_is_refused_before_loading(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"Libsvm: .*absent is missing; set data.path"):
        Libsvm(str(tmp_path / "absent"), "binary", "none", False, 0.0).check()


@pytest.mark.parametrize(
    ("text", "match"),
    [("1 1:1\n2 1:1\n3 1:1\n", "3 distinct labels"), ("1 x:y\n", "cannot be parsed"), ("", "no samples")],
)
def test_other_content_is_refused_in_one_line(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "toy").write_text(text)
    with pytest.raises(ConfigurationError, match=match) as caught:
        Libsvm(str(tmp_path / "toy"), "binary", "none", False, 0.0).load(KEY)
    assert "\n" not in str(caught.value)


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"test_fraction=1.0"):
        Libsvm("a", "binary", "none", False, 1.0)
    with pytest.raises(ConfigurationError, match="normalise='max'"):
        Libsvm("a", "binary", "max", False, 0.0)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="target='other'"):
        Libsvm("a", "other", "none", False, 0.0)  # type: ignore[arg-type]
