"""Dirichlet, Shard and Pathological mean what their names mean in flwr-datasets."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from fedkd.data import Dirichlet, Pathological, Shard, label_counts
from fedkd.errors import ConfigurationError
from fedkd_compression.keys import Key

KEY = Key.of(0, "partition")
CLASSES = 10
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(CLASSES), 600))


def dirichlet(alpha: float, clients: int = 20, minimum: int = 1, balancing: bool = False) -> np.ndarray:
    parts = Dirichlet(alpha, minimum, balancing).partition(LABELS, clients, KEY, None)
    return label_counts(LABELS, parts, CLASSES)


def test_dirichlet_large_alpha_gives_equal_mixtures() -> None:
    assert np.all(np.abs(dirichlet(alpha=1e9) - 30) <= 1)


def test_dirichlet_small_alpha_gives_each_class_to_one_client() -> None:
    counts = dirichlet(alpha=1e-4, clients=2)
    assert np.all(np.sort(counts, axis=0) == [[0], [600]])


def test_dirichlet_shares_have_the_variance_of_the_distribution() -> None:
    clients, alpha, keys = 5, 0.5, 200
    partitioner = Dirichlet(alpha, 1, False)
    shares = np.concatenate(
        [
            label_counts(LABELS, partitioner.partition(LABELS, clients, Key.of(k), None), CLASSES) / 600
            for k in range(keys)
        ]
    )
    mean = 1 / clients
    variance = mean * (1 - mean) / (clients * alpha + 1)
    squares = (shares - mean) ** 2
    # Columns of one draw are independent, so average over clients first: 200 x 10 independent values.
    independent = squares.reshape(keys, clients, CLASSES).mean(axis=1).reshape(-1)
    tolerance = 5 * independent.std() / np.sqrt(independent.size)
    assert abs(independent.mean() - variance) < tolerance + 1 / 600


def test_dirichlet_repeats_draws_until_everyone_has_the_minimum() -> None:
    assert dirichlet(alpha=0.2, minimum=40).sum(axis=1).min() >= 40


def test_dirichlet_says_which_value_to_change_where_the_minimum_is_out_of_reach() -> None:
    with pytest.raises(ConfigurationError, match=r"alpha=0.01 .* in each of 100 draws .* raise alpha"):
        dirichlet(alpha=0.01, clients=100, minimum=10)
    with pytest.raises(ConfigurationError, match=r"min_partition_size=301 x 20 .* <= 300"):
        dirichlet(alpha=1.0, minimum=301)


def test_dirichlet_balancing_bounds_every_share() -> None:
    counts = dirichlet(alpha=0.1, balancing=True)
    # A client is closed once it exceeds 300: it can get one more class of 600 at most.
    assert counts.sum(axis=1).max() <= 900
    assert counts.sum(axis=1).std() < dirichlet(alpha=0.1).sum(axis=1).std()
    # Every draw of a tiny alpha falls on one client, often on a closed one.
    assert dirichlet(alpha=1e-3, clients=3, balancing=True).sum() == 6_000


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), float("inf")])
def test_dirichlet_alpha_out_of_range_is_refused(alpha: float) -> None:
    with pytest.raises(ConfigurationError, match=rf"Dirichlet: alpha={alpha} .* choose alpha > 0"):
        Dirichlet(alpha, 10, False)


def shards(number: int | None, size: int | None, keep: bool, clients: int) -> list[np.ndarray]:
    return Shard(number, size, keep).partition(LABELS, clients, KEY, None)


def test_shard_number_alone_uses_equal_blocks_of_all_samples() -> None:
    parts = shards(number=2, size=None, keep=False, clients=10)
    counts = label_counts(LABELS, parts, CLASSES)
    assert {len(part) for part in parts} == {600}
    assert np.all((counts > 0).sum(axis=1) <= 2)
    assert set(counts.reshape(-1)) <= {0, 300, 600}


def test_shard_number_and_size_leave_the_rest_out() -> None:
    parts = shards(number=3, size=100, keep=True, clients=10)
    assert {len(part) for part in parts} == {300}


def test_shard_size_alone_gives_the_first_clients_one_more() -> None:
    sizes = [len(part) for part in shards(number=None, size=1_000, keep=False, clients=4)]
    assert sizes == [2_000, 2_000, 1_000, 1_000]


def test_shard_incomplete_block_is_kept_or_dropped() -> None:
    dropped = [len(part) for part in shards(number=None, size=990, keep=False, clients=3)]
    kept = [len(part) for part in shards(number=None, size=990, keep=True, clients=7)]
    assert dropped == [1_980, 1_980, 1_980]
    assert sorted(kept) == [60, 990, 990, 990, 990, 990, 990]


def test_shard_refuses_what_cannot_be_cut() -> None:
    with pytest.raises(ConfigurationError, match="both None"):
        Shard(None, None, True)
    with pytest.raises(ConfigurationError, match="30 shards of 201 samples for 10 clients exceed the 6000"):
        shards(number=3, size=201, keep=False, clients=10)
    with pytest.raises(ConfigurationError, match="exceed the 6000"):
        shards(number=None, size=1_000, keep=True, clients=7)
    with pytest.raises(ConfigurationError, match="exceed the 6000"):
        shards(number=2, size=None, keep=True, clients=3_001)


Mode = Literal["random", "deterministic", "first-deterministic"]


def held(number: int, mode: Mode, clients: int) -> np.ndarray:
    parts = Pathological(number, mode).partition(LABELS, clients, KEY, None)
    return label_counts(LABELS, parts, CLASSES)


@pytest.mark.parametrize("mode", ["random", "deterministic", "first-deterministic"])
def test_pathological_gives_exactly_the_number_of_classes_in_equal_shares(mode: Mode) -> None:
    counts = held(3, mode, clients=12)
    assert np.all((counts > 0).sum(axis=1) == 3)
    for column in counts.T:
        shares = column[column > 0]
        assert shares.size == 0 or shares.max() - shares.min() <= 1
        assert column.sum() in (0, 600)


def test_pathological_deterministic_classes_follow_the_clients_number() -> None:
    counts = held(2, "deterministic", clients=12)
    expected = [{i % 10, (i + 1) % 10} for i in range(12)]
    assert [set(np.flatnonzero(row)) for row in counts] == expected


def test_pathological_first_deterministic_class_is_the_clients_number() -> None:
    counts = held(2, "first-deterministic", clients=23)
    assert all(counts[i, i % 10] > 0 for i in range(23))


def test_pathological_leaves_out_classes_that_nobody_holds() -> None:
    assert held(2, "deterministic", clients=3).sum(axis=0).tolist() == [600] * 4 + [0] * 6


def test_pathological_refuses_what_cannot_be_given() -> None:
    with pytest.raises(ConfigurationError, match="num_classes_per_partition=11 exceeds the 10 classes"):
        held(11, "random", clients=3)
    with pytest.raises(ConfigurationError, match=r"601 clients hold class 0, which has 600 samples"):
        Pathological(10, "random").partition(LABELS, 601, KEY, None)
    with pytest.raises(ConfigurationError, match="choose one of random, deterministic"):
        Pathological(2, "other")  # type: ignore[arg-type]
