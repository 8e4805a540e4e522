"""What clients of different architectures keep is of one length, and comes back as it was."""

from __future__ import annotations

import pytest
import torch

from fedkd.tasks.relation_exchange.own import Layout, Own

LAYOUT = Layout(((3, 2), (6, 0), (2, 4)))


@pytest.mark.parametrize("student", range(3))
def test_what_is_joined_is_split_again(student: int) -> None:
    network, local = (torch.arange(1.0, size + 1) for size in LAYOUT.sizes[student])
    vector = LAYOUT.join(Own(student, network, local))
    assert LAYOUT.total == len(vector) == 8
    own = LAYOUT.split(vector)
    assert own.student == student
    assert torch.equal(own.network, network)
    assert own.local is not None
    assert torch.equal(own.local, local)


def test_a_client_that_has_not_trained_keeps_nothing_locally() -> None:
    vector = LAYOUT.join(Own(2, torch.ones(2), None))
    assert vector.tolist() == [2, 0, 1, 1, 0, 0, 0, 0]
    assert LAYOUT.split(vector).local is None
