"""A worker in a thread: orders and answers in memory, and no failure that is lost."""

from __future__ import annotations

import sys
from collections.abc import Callable
from queue import SimpleQueue
from threading import Event as Flag

import pytest

from fedkd.executors.lines import Event, Line, LineClosedError
from fedkd.executors.parcels import Kind, Parcel
from fedkd.executors.threads import ThreadWorker

PATIENCE = 10.0


def _echo(line: Line) -> None:
    while (order := line.receive()).kind is not Kind.STOP:
        line.send(order)


def test_orders_come_back_in_order_without_a_copy() -> None:
    events: SimpleQueue[Event] = SimpleQueue()
    worker = ThreadWorker(4, _echo, events)
    orders = [Parcel(Kind.TRAIN, client=client, parts=(bytes(client),)) for client in range(20)]
    for order in orders:
        worker.send(order)
    came = [events.get(timeout=PATIENCE) for _ in orders]
    assert all(event.worker == 4 and event.parcel is order for event, order in zip(came, orders, strict=True))
    assert worker.close(PATIENCE)


def _raise(error: BaseException) -> Callable[[Line], None]:
    def serve(line: Line) -> None:
        raise error

    return serve


@pytest.mark.parametrize("error", [ValueError("why"), SystemExit(3), KeyboardInterrupt(), MemoryError()])
def test_whatever_it_raises_arrives(error: BaseException) -> None:
    events: SimpleQueue[Event] = SimpleQueue()
    ThreadWorker(0, _raise(error), events)
    answer = events.get(timeout=PATIENCE).parcel
    assert answer is not None
    assert answer.kind is Kind.FAILED
    line, trace = (bytes(part).decode() for part in answer.parts)
    assert line.startswith(type(error).__name__)
    assert "_raise" in trace or "serve" in trace


def test_closed_line_ends_it_silently() -> None:
    events: SimpleQueue[Event] = SimpleQueue()
    worker = ThreadWorker(0, _raise(LineClosedError("gone")), events)
    assert worker.close(PATIENCE)
    assert events.empty()


def test_close_does_not_wait_for_a_busy_one() -> None:
    free = Flag()
    worker = ThreadWorker(0, lambda line: sys.exit(free.wait(PATIENCE)), SimpleQueue())
    assert not worker.close(0.01)
    free.set()
    assert worker.close(PATIENCE)
