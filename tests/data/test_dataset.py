"""Splits copy what they are asked for; a data set's hash changes with any byte of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedkd.data import Dataset, Split
from fedkd.errors import ConfigurationError

SPLIT = Split(torch.arange(12.0).reshape(4, 3), torch.tensor([0, 1, 0, 1]))
EMPTY = SPLIT.take(np.zeros(0, dtype=np.int64))
DATASET = Dataset("toy", SPLIT, SPLIT.take(np.array([3, 1])), EMPTY, 2, np.array([0, 0, 1, 1]))


def test_take_keeps_the_order_asked_for_and_copies() -> None:
    taken = SPLIT.take(np.array([2, 0]))
    assert taken.y.tolist() == [0, 0]
    assert taken.x.tolist() == [[6, 7, 8], [0, 1, 2]]
    taken.x.zero_()
    assert SPLIT.x[2].tolist() == [6, 7, 8]


def test_length_and_shape_of_a_split() -> None:
    assert (len(SPLIT), len(EMPTY), SPLIT.shape, EMPTY.shape) == (4, 0, (3,), (3,))


def test_samples_and_labels_of_different_length_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="4 samples but 3 labels"):
        Split(SPLIT.x, SPLIT.y[:3])


def test_hash_is_stable() -> None:
    expected = "2b032b7216c9e9173e15388deb21edb2b03a2d9936a379c0252f0d8ce8dea7a2"
    assert DATASET.sha256() == expected


@pytest.mark.parametrize(
    "other",
    [
        replace(DATASET, name="other"),
        replace(DATASET, classes=3),
        replace(DATASET, owner=None),
        replace(DATASET, owner=np.array([0, 1, 1, 1])),
        replace(DATASET, train=Split(SPLIT.x + 1e-7, SPLIT.y)),
        replace(DATASET, train=Split(SPLIT.x.double(), SPLIT.y)),
        replace(DATASET, train=Split(SPLIT.x.reshape(4, 1, 3), SPLIT.y)),
        replace(DATASET, test=EMPTY, public=DATASET.test),
    ],
    ids=["name", "classes", "no owner", "owner", "value", "type", "shape", "split"],
)
def test_hash_changes_with_every_part(other: Dataset) -> None:
    assert other.sha256() != DATASET.sha256()


def test_hash_does_not_depend_on_strides() -> None:
    transposed = Split(SPLIT.x.t().contiguous().t(), SPLIT.y)
    assert replace(DATASET, train=transposed).sha256() == DATASET.sha256()


def test_a_set_goes_to_a_device_as_a_whole_and_stays_where_it_was() -> None:
    there = DATASET.on(torch.float64)  # Stands for a device: it shows in whatever has been moved.
    splits = (there.train, there.test, there.public)
    assert {tensor.dtype for split in splits for tensor in (split.x, split.y)} == {torch.float64}
    assert [split.x.shape for split in splits] == [split.x.shape for split in (SPLIT, DATASET.test, EMPTY)]
    assert (there.name, there.classes, there.owner) == (DATASET.name, DATASET.classes, DATASET.owner)
    assert (SPLIT.x.dtype, SPLIT.y.dtype) == (torch.float32, torch.int64)
    assert DATASET.on("cpu").sha256() == DATASET.sha256()
