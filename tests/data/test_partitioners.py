"""Laws that every partitioner obeys, and the meaning of the simple ones."""

from __future__ import annotations

import numpy as np
import pytest

from fedkd.data import (
    Dirichlet,
    Iid,
    Linear,
    NaturalId,
    Partitioner,
    Pathological,
    Shard,
    label_counts,
)
from fedkd.errors import ConfigurationError
from fedkd_compression.keys import Key

KEY = Key.of(0, "partition")
CLIENTS = 7
LABELS = np.random.default_rng(0).integers(0, 5, 500)
OWNER = np.random.default_rng(1).permutation(np.arange(500) % CLIENTS) * 3 - 4

COVERING: list[Partitioner] = [
    Iid(),
    Linear(),
    NaturalId(),
    Dirichlet(alpha=0.5, min_partition_size=5, self_balancing=False),
    Dirichlet(alpha=0.1, min_partition_size=1, self_balancing=True),
    Shard(num_shards_per_partition=None, shard_size=30, keep_incomplete_shard=True),
    Pathological(num_classes_per_partition=2, class_assignment_mode="first-deterministic"),
]
EVERY: list[Partitioner] = [
    *COVERING,
    Shard(num_shards_per_partition=2, shard_size=None, keep_incomplete_shard=False),
    Pathological(num_classes_per_partition=1, class_assignment_mode="deterministic"),
    Pathological(num_classes_per_partition=2, class_assignment_mode="random"),
]


@pytest.mark.parametrize("partitioner", EVERY, ids=repr)
def test_parts_are_ascending_disjoint_and_not_empty(partitioner: Partitioner) -> None:
    parts = partitioner.partition(LABELS, CLIENTS, KEY, OWNER)
    everything = np.concatenate(parts)
    assert len(parts) == CLIENTS
    assert len(np.unique(everything)) == len(everything)
    assert everything.min() >= 0
    assert everything.max() < len(LABELS)
    for part in parts:
        assert part.dtype == np.int64
        assert len(part)
        assert np.all(np.diff(part) > 0)


@pytest.mark.parametrize("partitioner", COVERING, ids=repr)
def test_every_sample_is_used(partitioner: Partitioner) -> None:
    parts = partitioner.partition(LABELS, CLIENTS, KEY, OWNER)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(LABELS)))


@pytest.mark.parametrize("partitioner", EVERY, ids=repr)
def test_partition_is_a_function_of_the_key(partitioner: Partitioner) -> None:
    first = partitioner.partition(LABELS, CLIENTS, KEY, OWNER)
    again = partitioner.partition(LABELS, CLIENTS, KEY, OWNER)
    other = partitioner.partition(LABELS, CLIENTS, Key.of(1, "partition"), OWNER)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    same = all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    assert same == isinstance(partitioner, NaturalId)


@pytest.mark.parametrize("partitioner", EVERY, ids=repr)
@pytest.mark.parametrize("clients", [0, 501])
def test_more_clients_than_samples_are_refused(partitioner: Partitioner, clients: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"clients={clients} is not in \[1, 500\].*choose clients"):
        partitioner.partition(LABELS, clients, KEY, OWNER)


@pytest.mark.parametrize("partitioner", [Iid(), Linear(), *COVERING[3:4]], ids=repr)
def test_one_client_gets_everything(partitioner: Partitioner) -> None:
    (part,) = partitioner.partition(LABELS, 1, KEY, None)
    np.testing.assert_array_equal(part, np.arange(len(LABELS)))


@pytest.mark.parametrize("partitioner", [p for p in EVERY if not isinstance(p, Iid | Linear | NaturalId)])
def test_real_targets_are_refused_where_classes_are_needed(partitioner: Partitioner) -> None:
    with pytest.raises(ConfigurationError, match="labels are real numbers"):
        partitioner.partition(LABELS + 0.5, CLIENTS, KEY, None)


def test_labels_of_logistic_regression_are_two_classes() -> None:
    labels = np.where(LABELS > 2, 1.0, -1.0)
    partitioner = Pathological(num_classes_per_partition=1, class_assignment_mode="deterministic")
    parts = partitioner.partition(labels, 2, KEY, None)
    counts = label_counts(labels, parts, 2)
    np.testing.assert_array_equal(counts, np.diag(np.bincount(LABELS > 2)))


def test_iid_sizes_differ_by_one_at_most_and_mixtures_agree() -> None:
    labels = np.repeat(np.arange(4), 1_000)
    parts = Iid().partition(labels, 30, KEY, None)
    assert {len(part) for part in parts} == {133, 134}
    counts = label_counts(labels, parts, 4)
    # Hypergeometric: 133 of 4,000 samples, a quarter of each class.
    assert np.all(np.abs(counts - 133 / 4) <= 5 * np.sqrt(133 * 0.25 * 0.75) + 1)


def test_linear_sizes_grow_with_the_clients_number() -> None:
    sizes = [len(part) for part in Linear().partition(np.zeros(105, dtype=int), 5, KEY, None)]
    assert sizes == [7, 14, 21, 28, 35]
    sizes = [len(part) for part in Linear().partition(np.zeros(109, dtype=int), 5, KEY, None)]
    assert sizes == [7, 14, 21, 29, 38]


def test_linear_refuses_clients_who_would_get_nothing() -> None:
    with pytest.raises(ConfigurationError, match="clients=5 needs 15 samples"):
        Linear().partition(np.zeros(14, dtype=int), 5, KEY, None)


def test_natural_id_gives_each_owner_its_samples_in_order_of_the_ids() -> None:
    parts = NaturalId().partition(LABELS, CLIENTS, KEY, OWNER)
    assert [set(OWNER[part]) for part in parts] == [{3 * i - 4} for i in range(CLIENTS)]


def test_natural_id_needs_owners_as_many_as_clients() -> None:
    with pytest.raises(ConfigurationError, match="names no owner"):
        NaturalId().partition(LABELS, CLIENTS, KEY, None)
    with pytest.raises(ConfigurationError, match=r"clients=6 differs from the 7 owners .* set clients=7"):
        NaturalId().partition(LABELS, 6, KEY, OWNER)


def test_label_counts_add_up() -> None:
    parts = [np.array([0, 1, 2]), np.array([4])]
    labels = np.array([2, 0, 2, 1, 1])
    assert label_counts(labels, parts, 4).tolist() == [[1, 0, 2, 0], [0, 1, 0, 0]]
    assert label_counts(labels + 0.5, parts, 0).shape == (2, 0)
