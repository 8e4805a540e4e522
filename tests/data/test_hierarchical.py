"""Classes of one group resemble each other; splits share prototypes and nothing else."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from fedkd.data import Dataset, Hierarchical
from fedkd.errors import ConfigurationError
from fedkd.models import Mlp
from fedkd_compression.keys import Key

KEY = Key.of(0, "data")
SOURCE = Hierarchical(
    groups=5,
    classes_per_group=4,
    samples_per_class=30,
    public_per_class=3,
    test_per_class=2,
    dim=400,
    layout="flat",
    group_spread=2.0,
    class_spread=0.5,
    noise=1.0,
)


def centres(dataset: Dataset) -> torch.Tensor:
    """Mean of each class, [groups, classes_per_group, dim]."""
    flat = dataset.train.x.flatten(start_dim=1)
    means = torch.stack([flat[dataset.train.y == c].mean(dim=0) for c in range(dataset.classes)])
    return means.reshape(SOURCE.groups, SOURCE.classes_per_group, -1)


def test_spreads_of_groups_classes_and_samples_are_the_fields() -> None:
    dataset = SOURCE.load(KEY)
    means = centres(dataset)
    residual = dataset.train.x - means.reshape(20, -1)[dataset.train.y]
    within = float(residual.square().mean()) * 30 / 29
    between_classes = float(means.var(dim=1).mean()) - within / 30
    between_groups = float(means.mean(dim=1).var(dim=0).mean()) - (between_classes + within / 30) / 4
    # Variances of n independent normals scatter by sqrt(2 / n) of themselves.
    assert within == pytest.approx(1.0, abs=5 * math.sqrt(2 / (20 * 29 * 400)))
    assert between_classes == pytest.approx(0.25, abs=5 * (0.25 + 1 / 30) * math.sqrt(2 / (15 * 400)))
    assert between_groups == pytest.approx(4.0, abs=5 * 4.1 * math.sqrt(2 / (4 * 400)))


def test_without_noise_samples_are_the_prototypes_in_every_split() -> None:
    dataset = replace(SOURCE, noise=0.0).load(KEY)
    prototypes = dataset.train.x[::30]
    assert torch.equal(dataset.test.x, prototypes.repeat_interleave(2, dim=0))
    assert torch.equal(dataset.public.x, prototypes.repeat_interleave(3, dim=0))


def test_splits_have_their_own_noise_and_balanced_labels() -> None:
    dataset = replace(SOURCE, public_per_class=30, test_per_class=30).load(KEY)
    assert SOURCE.available() == len(dataset.train) == 600
    for split in (dataset.train, dataset.test, dataset.public):
        assert split.y.bincount().tolist() == [30] * 20
    assert not torch.any(dataset.train.x == dataset.test.x)
    assert not torch.any(dataset.train.x == dataset.public.x)


def test_images_are_constant_on_cells_up_to_the_noise() -> None:
    dataset = replace(SOURCE, layout="image", noise=0.0).load(KEY)
    assert dataset.train.shape == (1, 20, 20)
    cells = dataset.train.x.reshape(-1, 5, 4, 5, 4)
    assert torch.equal(cells, cells[:, :, :1, :, :1].expand_as(cells))
    assert len(torch.unique(dataset.train.x[0])) == 25


def test_samples_are_a_function_of_the_key() -> None:
    assert SOURCE.load(KEY).sha256() == SOURCE.load(KEY).sha256()
    assert SOURCE.load(KEY).sha256() != SOURCE.load(Key.of(1, "data")).sha256()


def test_a_large_teacher_becomes_over_confident() -> None:
    source = replace(SOURCE, samples_per_class=20, test_per_class=20, dim=32, class_spread=0.4)
    dataset = source.load(KEY)
    network = Mlp(hidden=(256,)).build((32,), 20, Key.of(0, "teacher"))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(dataset.train.x), dataset.train.y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        confidence, predicted = network(dataset.test.x).softmax(dim=1).max(dim=1)
    correct = predicted == dataset.test.y
    same_group = predicted // 4 == dataset.test.y // 4
    assert 0.5 < float(correct.double().mean()) < float(confidence.mean()) - 0.08
    assert float(same_group.double().mean()) > 0.9


@pytest.mark.parametrize("dim", [401, 25, 8])
def test_images_need_a_square_of_whole_cells(dim: int) -> None:
    with pytest.raises(ConfigurationError, match=f"dim={dim} is not the square of a multiple of 4"):
        replace(SOURCE, layout="image", dim=dim)


def test_values_out_of_range_are_refused() -> None:
    for change in (
        {"groups": 0},
        {"samples_per_class": 0},
        {"test_per_class": 0},
        {"public_per_class": -1},
        {"class_spread": 0.0},
        {"noise": -0.1},
        {"layout": "grid"},
    ):
        ((field, value),) = change.items()
        with pytest.raises(ConfigurationError, match=rf"Hierarchical: {field}={value!r}.*; choose"):
            replace(SOURCE, **change)
