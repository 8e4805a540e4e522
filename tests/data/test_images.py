"""Image sources: which samples are chosen, how pixels are scaled, what is refused."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from fedkd.data import Dataset, Digits, Fashion, Images, Mnist5k, Source, idx
from fedkd.data.sources import fashion
from fedkd.errors import ConfigurationError
from fedkd_compression.keys import Key

if TYPE_CHECKING:
    from pathlib import Path

KEY = Key.of(0, "data")
installed = pytest.mark.skipif(not fashion.DEBIAN_FOLDER.is_dir(), reason="dataset-fashion-mnist is not installed")


def rows(dataset: Dataset) -> set[bytes]:
    return {sample.numpy().tobytes() for sample in dataset.train.x}


def test_any_idx_folder_is_read_and_standardised_by_its_own_pixels(idx_folder: Path) -> None:
    dataset = Fashion(str(idx_folder), samples=0, public=0, test=0).load(KEY)
    assert (dataset.name, dataset.classes, dataset.train.shape) == ("idx:letters", 4, (1, 6, 5))
    assert (len(dataset.train), len(dataset.test), len(dataset.public)) == (40, 20, 0)
    pixels, _ = idx.read(idx_folder / "train-images-idx3-ubyte")
    expected = (pixels - pixels.mean()) / pixels.std()
    np.testing.assert_allclose(dataset.train.x[:, 0].numpy(), expected, atol=1e-5)


def test_gzip_twins_give_the_same_data_set(idx_folder: Path) -> None:
    source = Fashion(str(idx_folder), samples=10, public=5, test=7)
    plain = source.load(KEY).sha256()
    for path in list(idx_folder.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert source.load(KEY).sha256() == plain


def test_public_samples_are_disjoint_and_do_not_move_the_clients_samples(idx_folder: Path) -> None:
    alone = Fashion(str(idx_folder), samples=10, public=0, test=0).load(KEY)
    beside = Fashion(str(idx_folder), samples=10, public=30, test=0).load(KEY)
    public = {sample.numpy().tobytes() for sample in beside.public.x}
    assert rows(alone) == rows(beside)
    assert len(public) == 30
    assert not public & rows(beside)


def test_samples_zero_takes_all_that_are_not_public(idx_folder: Path) -> None:
    source = Fashion(str(idx_folder), samples=0, public=15, test=0)
    assert source.available() == len(source.load(KEY).train) == 25


def test_the_key_chooses_the_samples(idx_folder: Path) -> None:
    source = Fashion(str(idx_folder), samples=10, public=0, test=5)
    assert source.load(KEY).sha256() == source.load(KEY).sha256()
    assert rows(source.load(KEY)) != rows(source.load(Key.of(1, "data")))


@pytest.mark.parametrize(
    ("samples", "public", "test", "match"),
    [
        (30, 11, 0, "samples=30 \\+ public=11 exceed the 40"),
        (0, 40, 0, "public=40 exceed the 40"),
        (1, 0, 21, "test=21 exceeds the 20"),
        (-1, 0, 0, "samples=-1"),
    ],
)
def test_more_samples_than_there_are_are_refused_before_loading(
    idx_folder: Path, samples: int, public: int, test: int, match: str
) -> None:
    with pytest.raises(ConfigurationError, match=match):
        Fashion(str(idx_folder), samples, public, test).check()


def test_missing_file_is_refused_before_loading(idx_folder: Path) -> None:
    (idx_folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(ConfigurationError, match=r"t10k-labels-idx1-ubyte.*set data.path"):
        Fashion(str(idx_folder), 0, 0, 0).check()


def test_labels_of_another_length_are_refused(idx_folder: Path) -> None:
    (idx_folder / "train-labels-idx1-ubyte").write_bytes((idx_folder / "t10k-labels-idx1-ubyte").read_bytes())
    with pytest.raises(ConfigurationError, match=r"train images .* do not belong to train labels"):
        Fashion(str(idx_folder), 0, 0, 0).load(KEY)


def test_the_debian_folder_must_hold_the_published_bytes(idx_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion, "DEBIAN_FOLDER", idx_folder)
    with pytest.raises(ConfigurationError, match="differs from Fashion-MNIST's published bytes"):
        Fashion(None, 0, 0, 0).load(KEY)


@installed
def test_fashion_mnist_is_verified_and_standardised() -> None:
    source = Fashion(None, samples=6_000, public=10_000, test=0)
    source.check()
    dataset = source.load(KEY)
    assert dataset.name == "fashion-mnist"
    assert (len(dataset.train), len(dataset.public), len(dataset.test)) == (6_000, 10_000, 10_000)
    assert dataset.test.y.bincount().tolist() == [1_000] * 10
    assert abs(dataset.public.x.mean()) < 0.02
    assert abs(dataset.public.x.std() - 1) < 0.02


@installed
def test_images_prefers_fashion_mnist() -> None:
    assert Images(samples=6_000, public=10_000, test=0).chosen() == Fashion(None, 6_000, 10_000, 0)


def test_images_falls_back_to_mnist_in_proportion(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fashion, "DEBIAN_FOLDER", tmp_path / "missing")
    assert Images(samples=6_000, public=10_000, test=0).chosen() == Mnist5k(1_500, 2_500, 0)
    assert Images(samples=0, public=0, test=5_000).chosen() == Mnist5k(4_000, 0, 1_000)
    assert Images(samples=100, public=200, test=300).chosen() == Mnist5k(100, 200, 300)
    source = Images(samples=6_000, public=10_000, test=0)
    source.check()
    assert source.available() == 1_500


def test_images_names_both_fixes_where_nothing_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fashion, "DEBIAN_FOLDER", tmp_path / "missing")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"dataset-fashion-mnist.*fedkd\[data\]"):
        Images(1, 1, 1).check()


@pytest.mark.parametrize(
    ("source", "train", "test", "shape"),
    [(Digits(0, 0, 0), 1_442, 355, (1, 8, 8)), (Mnist5k(0, 0, 0), 4_000, 1_000, (1, 28, 28))],
)
def test_embedded_sets_are_split_by_class_and_standardised(
    source: Source, train: int, test: int, shape: tuple[int, ...]
) -> None:
    source.check()
    dataset = source.load(KEY)
    assert source.available() == len(dataset.train) == train
    assert (len(dataset.test), dataset.classes, dataset.train.shape) == (test, 10, shape)
    counts = dataset.train.y.bincount().double() / dataset.test.y.bincount().double()
    assert torch.all((counts - 4).abs() < 0.15)
    assert abs(dataset.train.x.mean()) < 0.01
    assert abs(dataset.train.x.std() - 1) < 0.01


@pytest.mark.parametrize("source", [Digits(1_400, 43, 0), Mnist5k(4_000, 1, 0)])
def test_embedded_sets_refuse_more_than_they_have(source: Source) -> None:
    with pytest.raises(ConfigurationError, match="samples \\+ public <="):
        source.check()
