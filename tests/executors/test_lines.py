"""A line over a socket: parcels of any size, in order, until the other end is gone."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from threading import Thread

import pytest

from fedkd.executors.lines import LineClosedError, SocketLine
from fedkd.executors.parcels import FIXED, Kind, Parcel

Ends = tuple[SocketLine, SocketLine]
PATIENCE = 10.0
LARGE = 3_000_001
"""Bytes; no socket's buffer holds so many."""


@pytest.fixture
def ends() -> Iterator[Ends]:
    sockets = socket.socketpair()
    for end in sockets:
        end.settimeout(PATIENCE)
    here, there = map(SocketLine, sockets)
    yield here, there
    here.close()
    there.close()


def plain(parcel: Parcel) -> tuple[object, ...]:
    return (parcel.kind, parcel.round, parcel.client, parcel.numbers, [bytes(part) for part in parcel.parts])


def test_large_and_empty_parts_arrive_in_order(ends: Ends) -> None:
    here, there = ends
    sent = [
        Parcel(Kind.ROUND, 1, parts=(os.urandom(LARGE), b"", memoryview(os.urandom(LARGE)))),
        Parcel(Kind.TRAIN, 2, 3, (0.25,)),
        Parcel(Kind.STOP, parts=(b"end",)),
    ]
    sender = Thread(target=lambda: [here.send(parcel) for parcel in sent])
    sender.start()
    came = [there.receive() for _ in sent]
    sender.join()
    assert list(map(plain, came)) == list(map(plain, sent))


def test_what_was_sent_before_the_end_is_received_first(ends: Ends) -> None:
    here, there = ends
    here.send(Parcel(Kind.FAILED, parts=(b"why",)))
    here.close()
    assert there.receive().kind is Kind.FAILED
    with pytest.raises(LineClosedError, match="the other end closed"):
        there.receive()


def test_answer_is_received_though_its_sender_left_an_order_unread(ends: Ends) -> None:
    here, there = ends
    here.send(Parcel(Kind.ROUND, parts=(bytes(1000),)))
    there.send(Parcel(Kind.FAILED))
    there.close()
    assert here.receive().kind is Kind.FAILED
    with pytest.raises(LineClosedError):
        here.receive()


def test_sending_to_nobody_is_told(ends: Ends) -> None:
    here, there = ends
    there.close()
    with pytest.raises(LineClosedError):
        here.send(Parcel(Kind.STOP))


@pytest.mark.parametrize("kept", [1, FIXED, FIXED + 8, FIXED + 8 + 3])
def test_parcel_that_is_cut_off_is_no_parcel(kept: int) -> None:
    one, other = socket.socketpair()
    line, parcel = SocketLine(other), Parcel(Kind.REPLY, parts=(b"part",))
    one.sendall((parcel.head() + b"part")[:kept])
    one.close()
    with pytest.raises(LineClosedError):
        line.receive()
    line.close()


def test_own_end_closed_is_told_too(ends: Ends) -> None:
    here, _ = ends
    here.close()
    with pytest.raises(LineClosedError):
        here.receive()
    with pytest.raises(LineClosedError):
        here.send(Parcel(Kind.STOP))
