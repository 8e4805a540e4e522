"""Forked workers: their deaths are told, others take their place, and nothing of them is left behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fedkd.executors import forks
from fedkd.executors.forks import ForkHub, fork
from fedkd.executors.lines import SocketLine
from fedkd.executors.loop import enter
from fedkd.executors.parcels import Kind, Parcel
from fedkd.executors.placement import Seat

PATIENCE = 10.0
DESCRIPTORS = Path("/proc/self/fd")
LARGE = 300_000
"""Bytes of a part that goes through shared memory."""
SIGKILL, LEAVE, BREAK, STAY, ECHO, WRITE = range(1, 7)
"""What an order's round asks for; 0 is answered with the worker's process, seat and sockets."""

linux = pytest.mark.skipif(not DESCRIPTORS.exists(), reason="descriptors are listed by /proc")


def sockets() -> set[str]:
    """Of this process, as the kernel numbers them."""
    found = set()
    for entry in DESCRIPTORS.iterdir() if DESCRIPTORS.exists() else ():
        try:
            target = str(entry.readlink())
        except FileNotFoundError:  # Of the listing itself.
            continue
        found |= {target} if target.startswith("socket") else set()
    return found


def work(seat: Seat, line: SocketLine) -> None:
    while (order := line.receive()).kind is not Kind.STOP:
        if order.round == SIGKILL:
            os.kill(os.getpid(), signal.SIGKILL)
        if order.round == WRITE:  # Killed when a part is written and nothing of it is told.
            ways = line._ways
            assert ways is not None
            assert ways.out.put(bytes(LARGE)) is not None
            os.kill(os.getpid(), signal.SIGKILL)
        if order.round == ECHO:
            line.send(order)
            continue
        if order.round == LEAVE:
            return
        if order.round == BREAK:
            line.close()
            sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
            raise ValueError("nobody catches this")
        if order.round == STAY:
            line.send(order)
            time.sleep(PATIENCE)
        parts = (seat.device.encode(), "\n".join(sockets()).encode())
        line.send(Parcel(Kind.REPLY, numbers=(os.getpid(), seat.rank), parts=parts))


@contextmanager
def started(count: int) -> Iterator[ForkHub]:
    hub = ForkHub([Seat(rank, "here", f"cuda:{rank}") for rank in range(count)], work)
    try:
        yield hub
    finally:
        hub.close()


def told(hub: ForkHub, worker: int) -> tuple[int, set[str]]:
    """Process and sockets of a worker, which has the right seat."""
    hub.send(worker, Parcel(Kind.TRAIN))
    event = hub.wait()
    assert event.worker == worker
    assert event.parcel is not None
    pid, rank = map(int, event.parcel.numbers)
    device, held = (bytes(part).decode() for part in event.parcel.parts)
    assert (rank, device) == (worker, f"cuda:{worker}")
    return pid, set(held.split("\n"))


def is_there(pid: int) -> bool:
    """Whether the process exists, dead and unread ones included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("way", "how"),
    [(SIGKILL, "was killed by signal 9"), (LEAVE, "ended with exit code 0"), (BREAK, "ended with exit code 1")],
)
def test_death_is_told_once_with_how_and_the_others_work_on(way: int, how: str) -> None:
    with started(2) as hub:
        pid, _ = told(hub, 1)
        hub.send(1, Parcel(Kind.TRAIN, way))
        assert hub.wait() == (1, None, how)
        assert not is_there(pid)
        told(hub, 0)


def test_another_worker_takes_the_seat() -> None:
    with started(2) as hub:
        before, _ = told(hub, 0)
        hub.send(0, Parcel(Kind.TRAIN, SIGKILL))
        assert hub.wait().parcel is None
        assert hub.replace(0)
        after, _ = told(hub, 0)
        assert after != before
        told(hub, 1)


def test_order_to_the_dead_does_nothing() -> None:
    with started(1) as hub:
        pid, _ = told(hub, 0)
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        hub.send(0, Parcel(Kind.ROUND, parts=(bytes(1_000_000),)))
        assert hub.wait() == (0, None, "was killed by signal 9")


def test_a_worker_that_cannot_be_made_says_why_though_nobody_reads_its_orders() -> None:
    def fail() -> None:
        raise RuntimeError("no such device")

    hub = ForkHub([Seat(0, "here", "cpu")], lambda _, line: enter(fail, line))  # type: ignore[arg-type]
    hub.send(0, Parcel(Kind.ROUND, parts=(bytes(1_000_000),)))
    answer = hub.wait().parcel
    assert answer is not None
    assert answer.kind is Kind.FAILED
    assert bytes(answer.parts[0]) == b"RuntimeError: no such device"
    hub.close()


def test_close_leaves_no_process_also_none_that_does_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "SECONDS_TO_LEAVE", 0.05)
    began = time.monotonic()
    with started(3) as hub:
        pids = [told(hub, worker)[0] for worker in range(3)]
        hub.send(1, Parcel(Kind.TRAIN, STAY))
        assert hub.wait().parcel is not None
        assert all(map(is_there, pids))
    assert not any(map(is_there, pids))
    assert time.monotonic() - began < PATIENCE


def test_close_after_a_death_that_nobody_was_told_of() -> None:
    with started(2) as hub:
        pids = [told(hub, worker)[0] for worker in range(2)]
        hub.send(0, Parcel(Kind.TRAIN, SIGKILL))
    assert not any(map(is_there, pids))


@linux
def test_no_descriptor_is_left() -> None:
    before = len(list(DESCRIPTORS.iterdir()))
    for number in range(20):
        with started(1) as hub:
            if number % 4 == 0:
                hub.send(0, Parcel(Kind.TRAIN, SIGKILL))
                assert hub.wait().parcel is None
                hub.replace(0)
    assert len(list(DESCRIPTORS.iterdir())) == before


@linux
def test_no_worker_holds_a_line_of_another() -> None:
    before = sockets()
    with started(3) as hub:
        hub.send(1, Parcel(Kind.TRAIN, SIGKILL))
        assert hub.wait().parcel is None
        hub.replace(1)
        held = [told(hub, worker)[1] - before for worker in range(3)]
    assert [len(own) for own in held] == [1, 1, 1]
    assert len(set.union(*held)) == 3


def test_a_worker_ends_when_its_line_does_though_others_were_forked_since() -> None:
    first = fork(lambda line: work(Seat(0, "here", "cpu"), line))
    second = fork(lambda line: work(Seat(1, "here", "cpu"), line), [first.line])
    first.line.close()
    assert forks.ending(first.pid) == "ended with exit code 0"
    second.line.close()
    assert forks.ending(second.pid) == "ended with exit code 0"


def echoed(hub: ForkHub, worker: int, part: bytes) -> memoryview:
    """The part as a worker gives it back."""
    hub.send(worker, Parcel(Kind.TRAIN, ECHO, parts=(part,)))
    event = hub.wait()
    assert event.worker == worker
    assert event.parcel is not None
    (came,) = event.parcel.parts
    assert isinstance(came, memoryview)
    return came


def test_large_parts_go_to_all_workers_and_come_back_round_after_round() -> None:
    with started(2) as hub:
        for round_ in range(5):
            part = bytes([round_]) * LARGE
            came = [echoed(hub, worker, part) for worker in (0, 1, 0)]
            assert all(view == part for view in came)


def test_what_a_worker_sent_outlives_it_and_its_replacement_begins_with_all_the_room() -> None:
    with started(2) as hub:
        before = echoed(hub, 0, b"a" * LARGE)
        for way in (WRITE, SIGKILL):
            hub.send(0, Parcel(Kind.TRAIN, way))
            assert hub.wait() == (0, None, "was killed by signal 9")
            assert hub.replace(0)
            assert echoed(hub, 0, b"b" * LARGE) == b"b" * LARGE
        assert echoed(hub, 1, b"c" * LARGE) == b"c" * LARGE
        assert before == b"a" * LARGE
