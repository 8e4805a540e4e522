"""A line over a socket: parcels of any size, in order, until the other end is gone."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from threading import Thread

import numpy as np
import pytest

from fedkd.executors.arenas import LINE, Arena
from fedkd.executors.lines import SMALL, LineClosedError, SocketLine, Ways
from fedkd.executors.parcels import FIXED, Kind, Parcel

Ends = tuple[SocketLine, SocketLine]
PATIENCE = 10.0
LARGE = 3_000_001
"""Bytes; no socket's buffer holds so many."""
ROOM = 10 * SMALL
"""Bytes of the shared memory."""


@pytest.fixture
def ends() -> Iterator[Ends]:
    sockets = socket.socketpair()
    for end in sockets:
        end.settimeout(PATIENCE)
    here, there = map(SocketLine, sockets)
    yield here, there
    here.close()
    there.close()


@pytest.fixture
def shared() -> Iterator[tuple[SocketLine, SocketLine, Arena]]:
    """Ends with shared memory beside the socket; the last is where the first writes."""
    sockets, down, up = socket.socketpair(), Arena(2, capacity=ROOM), Arena(capacity=ROOM)
    for end in sockets:
        end.settimeout(PATIENCE)
    here = SocketLine(sockets[0], Ways(down, 1, up, 0))
    there = SocketLine(sockets[1], Ways(up, 0, down, 1))
    yield here, there, down
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


def test_large_parts_go_through_shared_memory_and_nothing_of_them_through_the_socket(
    shared: tuple[SocketLine, SocketLine, Arena],
) -> None:
    here, there, _ = shared
    large = [os.urandom(3 * SMALL), b"small", memoryview(os.urandom(2 * SMALL + 1)), b""]
    sent = [Parcel(Kind.ROUND, 1, parts=tuple(large)), Parcel(Kind.TRAIN, 2, 3, (0.25,)), Parcel(Kind.STOP)]
    for parcel in sent:
        here.send(parcel)  # Nobody reads: a socket would not hold them.
    came = [there.receive() for _ in sent]
    assert list(map(plain, came)) == list(map(plain, sent))
    assert (np.frombuffer(came[0].parts[2], "u1").ctypes.data + 2 * SMALL + 1) % LINE == 0
    there.send(Parcel(Kind.REPLY, parts=(large[0],)))
    assert bytes(here.receive().parts[0]) == large[0]


def test_parcels_wait_in_shared_memory_until_it_is_full_and_then_come_over_the_socket(
    shared: tuple[SocketLine, SocketLine, Arena],
) -> None:
    here, there, arena = shared
    sent = [Parcel(Kind.REPLY, i, parts=(os.urandom(4 * SMALL), os.urandom(SMALL + 1))) for i in range(6)]
    sent.append(Parcel(Kind.REPLY, 6, parts=(os.urandom(ROOM + 1),)))
    sender = Thread(target=lambda: [here.send(parcel) for parcel in sent])
    sender.start()
    came = [there.receive() for _ in sent]
    sender.join()
    assert list(map(plain, came)) == list(map(plain, sent))
    assert arena.put(bytes(4 * SMALL)) is None
    del came
    assert arena.put(bytes(4 * SMALL)) is not None


def test_a_part_from_the_socket_ends_as_one_in_shared_memory_does(ends: Ends) -> None:
    here, there = ends
    here.send(Parcel(Kind.REPLY, parts=(bytes(1001),)))
    part = np.frombuffer(there.receive().parts[0], "u1")
    assert len(part) == 1001
    assert (part.ctypes.data + 1001) % 16 == 0
