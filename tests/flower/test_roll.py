"""Which node is which client: nodes say so, and what does not fit is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flwr.app import Context, Error, Message
from flwr.common.constant import ErrorCode

from fedkd.flower import envelope
from fedkd.flower.client import PARTITION
from fedkd.flower.grid import DirectGrid
from fedkd.flower.in_process import client_app
from fedkd.flower.roll import Roll

CLIENTS = 3


class Nodes(DirectGrid):
    """Nodes that can be away."""

    def __init__(self, count: int = CLIENTS) -> None:
        super().__init__(client_app(), count)
        self.away: set[int] = set()
        self.asked = 0

    def get_node_ids(self) -> list[int]:
        return [node for node in self.contexts if node not in self.away]

    def deliver(self, message: Message) -> Message | None:
        self.asked += 1
        if message.metadata.dst_node_id in self.away:
            return Message(Error(ErrorCode.NODE_UNAVAILABLE, "gone"), reply_to=message)
        return super().deliver(message)


def roll(grid: DirectGrid, pause: Callable[[], None] = lambda: None) -> Roll:
    return Roll(grid, CLIENTS, lambda: envelope.enclose([], {}), pause)


def test_every_node_is_asked_once() -> None:
    grid = Nodes()
    known = roll(grid)
    for _ in range(3):
        assert known.call(range(CLIENTS), CLIENTS, 1.0) == {0: 2, 1: 3, 2: 4}
    assert grid.asked == CLIENTS
    assert [(seat.rank, seat.device) for seat in known.seats] == [(0, "cpu"), (1, "cpu"), (2, "cpu")]


def test_it_waits_for_enough_and_no_longer() -> None:
    grid = Nodes()
    grid.away = {2, 3, 4}
    waits: list[int] = []

    def pause() -> None:
        waits.append(len(waits))
        if len(waits) == 3:
            grid.away = {4}

    assert roll(grid, pause).call(range(CLIENTS), 2, 60.0) == {0: 2, 1: 3}
    assert len(waits) >= 3


def test_a_deadline_ends_the_waiting() -> None:
    grid = Nodes()
    grid.away = {3}
    assert roll(grid).call(range(CLIENTS), CLIENTS, 0.05) == {0: 2, 2: 4}


def test_a_client_that_comes_back_as_another_node_is_taken() -> None:
    grid = Nodes()
    known = roll(grid)
    known.call(range(CLIENTS), CLIENTS, 1.0)
    grid.away = {3}
    grid.contexts[9] = Context(1, 9, {PARTITION: 1}, grid.contexts[2].state, {})
    assert known.call(range(CLIENTS), CLIENTS, 1.0) == {0: 2, 1: 9, 2: 4}
    assert known.refused == []


def test_a_client_that_comes_back_before_its_old_node_is_seen_to_be_gone_is_taken_afterwards() -> None:
    grid = Nodes()
    known = roll(grid)
    known.call(range(CLIENTS), CLIENTS, 1.0)
    grid.contexts[9] = Context(1, 9, {PARTITION: 1}, grid.contexts[2].state, {})
    known.call(range(CLIENTS), CLIENTS + 1, 0.02)
    assert len(known.refused) == 1
    grid.away = {3}
    assert known.call(range(CLIENTS), CLIENTS, 1.0) == {0: 2, 1: 9, 2: 4}
    assert known.refused == []


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({PARTITION: 7}, "node 9: is client 7 of 3; count from 0"),
        ({PARTITION: 1}, "node 9: is client 1, as node 3 is"),
        ({}, "node 9: ValueError: partition-id=None in the node configuration"),
    ],
)
def test_a_node_that_does_not_fit_is_refused_once(config: dict[str, int], why: str) -> None:
    grid = Nodes()
    known = roll(grid)
    known.call(range(CLIENTS), CLIENTS, 1.0)
    grid.contexts[9] = Context(1, 9, config, grid.contexts[2].state, {})
    for _ in range(2):
        assert known.call(range(CLIENTS), CLIENTS, 1.0) == {0: 2, 1: 3, 2: 4}
    known.call(range(CLIENTS), CLIENTS + 1, 0.02)
    (said,) = known.refused
    assert said.startswith(why)
    assert grid.asked == CLIENTS + 1
