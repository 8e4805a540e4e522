"""The queue: first in, first out, for clients with batches of different sizes."""

from __future__ import annotations

from collections import deque

import pytest
import torch

from fedkd.keys import key
from fedkd.tasks.ressl.queue import Queue

LIKE = torch.zeros(0, dtype=torch.float64)


def batch(seed: int, clients: int, samples: int) -> torch.Tensor:
    return torch.randn(clients, samples, 3, generator=torch.Generator().manual_seed(seed)).double()


def test_each_client_has_the_newest_keys() -> None:
    """Against a bounded deque; counts say how many of a batch are a client's own."""
    queue, expected = Queue(2, 5, 3, LIKE), [deque(maxlen=5), deque(maxlen=5)]
    for round_, counts in enumerate(([4, 4], [3, 1], [4, 0], [2, 4], [1, 3])):
        keys = batch(round_, 2, 4)
        queue.push(keys, torch.tensor(counts).double(), torch.tensor(float(round_)).double())
        for client, count in enumerate(counts):
            expected[client].extend((row, round_) for row in keys[client, :count])
    for client, rows in enumerate(expected):
        order = [(int(queue.next[client]) + place) % 5 for place in range(5)]
        assert torch.equal(queue.keys[client][order], torch.stack([row for row, _ in rows]))
        assert queue.stamps[client][order].tolist() == [stamp for _, stamp in rows]


def test_of_all_clients_only_the_first_go_on() -> None:
    queue = Queue(3, 4, 3, LIKE)
    queue.push(batch(0, 2, 4), None, torch.tensor(7.0).double())
    assert torch.equal(queue.keys[:2], batch(0, 2, 4))
    assert not queue.keys[2].any()
    assert queue.next.tolist() == [0, 0, 0]


def test_what_is_read_can_be_loaded_elsewhere() -> None:
    queue, other = Queue(2, 5, 3, LIKE), Queue(1, 5, 3, LIKE)
    queue.fill(1, key(0, "train").fold("queue"), 2)
    queue.push(batch(0, 2, 3), None, torch.tensor(4.0).double())
    kept = queue.read(1)
    assert len(kept) == queue.numbers == 5 * 3 + 5 + 1
    other.load(0, kept)
    assert torch.equal(other.read(0), kept)
    assert other.next.tolist() == [3]


def test_a_fresh_queue_is_uniform_on_the_sphere() -> None:
    """Unit length, and a mean within five standard deviations of 0: each coordinate has variance 1/3."""
    queue = Queue(1, 3000, 3, LIKE)
    queue.fill(0, key(0, "train").fold("queue"), 0)
    torch.testing.assert_close(queue.keys[0].norm(dim=1), torch.ones(3000).double())
    assert queue.keys[0].mean(0).abs().max() < 5 / (3 * 3000) ** 0.5


@pytest.mark.parametrize("first", [1, 2])
def test_streams_differ(first: int) -> None:
    queue = Queue(2, 8, 3, LIKE)
    queue.fill(0, key(0, "train", 0, 0), 0)
    queue.fill(1, key(0, "train", 0, first), 0)
    assert not torch.equal(queue.keys[0], queue.keys[1])
