"""Copies of states: how long they stay, what they save, and that they are never old ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fedkd.clients import ClientState, FolderStore, MemoryStore, SkiRental
from fedkd.clients.resident_store import ResidentStore
from fedkd.errors import ConfigurationError
from fedkd.predict import Threshold

DIM = 256
LARGE = 1 << 30


def state(number: int) -> ClientState:
    return ClientState(torch.full((DIM,), float(number)), number + 1)


def resident(price: float = 8.0, most: int = LARGE, store: MemoryStore | FolderStore | None = None) -> ResidentStore:
    return ResidentStore(store or MemoryStore(), Threshold(price), most)


def visits(store: ResidentStore, gap: int, rounds: int, clients: int = 3) -> None:
    """Every client is trained every gap rounds."""
    for round_ in range(0, rounds, gap):
        for client in range(clients):
            store.before(client, round_)
            store.put(client, round_, state(round_))


def test_what_is_used_every_round_stays() -> None:
    store = resident()
    visits(store, 1, 50)
    assert (store.hits, store.misses) == (3 * 49, 0)
    assert store.size == 3 * 4 * DIM


def test_what_is_used_seldom_goes() -> None:
    store = resident(price=8.0)
    visits(store, 40, 4000)
    assert store.hits < 15
    before = store.hits
    visits(store, 40, 4000)
    store.before(99, 10**6)
    assert (store.hits, store.size) == (before, 0)


def test_how_long_is_learned_from_how_often_clients_come_back() -> None:
    draws, store = np.random.default_rng(1), resident(price=8.0)
    for round_ in range(3000):
        for client in np.flatnonzero(draws.random(20) < np.where(np.arange(20) < 10, 0.5, 0.005)).tolist():
            store.before(client, round_)
            store.put(client, round_, state(round_))
    learned = store.learned()
    # Ten clients come back after two rounds, ten after two hundred; the best keeps the ones and not the others.
    assert learned.surrogate <= 1.02 * learned.best
    assert learned.best < 0.5 * 8.0 * learned.count
    assert store.hits > 0.95 * (store.hits + store.misses)
    assert store.size <= 13 * 4 * DIM


def test_a_state_that_another_worker_made_is_loaded(tmp_path: Path) -> None:
    files = [FolderStore(tmp_path, DIM, torch.float32) for _ in range(2)]
    one, two = (resident(store=store) for store in files)
    one.put(5, 0, state(0))
    two.before(5, 1)
    two.put(5, 1, state(1))
    assert one.before(5, 2).sent == 2
    assert (one.hits, one.misses, two.misses) == (0, 1, 1)
    for store in (one, two):
        store.close()


def test_where_another_worker_trains_the_client_meanwhile_nothing_is_kept(tmp_path: Path) -> None:
    stores = [resident(store=FolderStore(tmp_path, DIM, torch.float32)) for _ in range(2)]
    for round_ in range(200):
        store = stores[round_ % 2]
        for client in range(4):
            store.before(client, round_)
            store.put(client, round_, state(round_))
    for store in stores:
        assert store.hits == 0
        store.before(99, 250)
        assert store.size == 0
        assert store.learned().cost >= store.learned().best >= 8.0 * store.learned().count
        store.close()


def test_copies_take_no_more_than_they_may_and_the_oldest_go_first() -> None:
    store = resident(most=2 * 4 * DIM)
    for client in range(4):
        store.put(client, 0, state(0))
    assert store.size == 2 * 4 * DIM
    for client in range(4):
        store.before(client, 1)
    assert (store.hits, store.misses) == (2, 2)


def test_a_row_does_not_keep_its_group() -> None:
    store, group = resident(), torch.zeros(1000, DIM)
    store.put(1, 0, ClientState(group[3], 1))
    kept = store.before(1, 1).uplink
    assert kept is not None
    assert kept.untyped_storage().nbytes() == 4 * DIM


@pytest.mark.parametrize(("price", "mebibytes"), [(0.0, 1), (-1.0, 1), (float("nan"), 1), (1.0, 0)])
def test_a_wrong_choice_is_answered_in_one_line(price: float, mebibytes: int) -> None:
    with pytest.raises(ConfigurationError, match=r"^SkiRental: (price|mebibytes)=.* is outside .*; choose \w+ = "):
        SkiRental(price, mebibytes)
