"""Work of processes beside this one: what it gives, what went wrong, and that nothing is left of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial

import pytest

from fedkd.errors import ConfigurationError
from fedkd.executors import ClientError
from fedkd.executors.forks import abreast, aside
from tests.executors.test_forks import sockets


def test_aside_gives_what_the_work_gives_and_keeps_this_process_as_it_was() -> None:
    done: list[int] = []

    def train() -> bytes:
        done.append(1)
        return bytes(3_000_000) + str(os.getpid()).encode()

    result = aside(train)
    assert len(result) > 3_000_000
    assert int(result[3_000_000:]) != os.getpid()
    assert not done


def test_abreast_does_all_at_the_same_time_in_processes_of_their_own() -> None:
    ends = [os.pipe() for _ in range(3)]

    def work(number: int) -> bytes:
        # Each waits for a word of the one before, the first for the last: one after another they would wait forever.
        os.write(ends[number][1], b"!")
        os.read(ends[number - 1][0], 1)
        return f"{number} {os.getpid()}".encode()

    results = [result.split() for result in abreast([partial(work, number) for number in range(3)])]
    for end in sum(ends, ()):
        os.close(end)
    assert [int(number) for number, _ in results] == [0, 1, 2]
    assert len({pid for _, pid in results}) == 3


def test_abreast_ends_all_when_one_fails() -> None:
    read, write = os.pipe()

    def sleeps() -> bytes:
        os.write(write, str(os.getpid()).encode())
        time.sleep(600)
        return b""

    def fails() -> bytes:
        pid = os.read(read, 20)
        os.write(write, pid)
        raise ValueError("odd")

    before = sockets()
    with pytest.raises(ClientError, match="^preparing: ValueError: odd$"):
        abreast([lambda: b"first", fails, sleeps])
    assert sockets() == before
    with pytest.raises(ProcessLookupError):
        os.kill(int(os.read(read, 20)), 0)
    os.close(read)
    os.close(write)


def _raising(error: BaseException) -> Callable[[], bytes]:
    def train() -> bytes:
        raise error

    return train


@pytest.mark.parametrize(
    ("work", "kind", "message"),
    [
        (_raising(ConfigurationError("x=0 is not positive")), ConfigurationError, "^x=0 is not positive$"),
        (_raising(ValueError("odd")), ClientError, "^preparing: ValueError: odd$"),
        (_raising(SystemExit(3)), ClientError, "^preparing: SystemExit: 3$"),
        (lambda: os.kill(os.getpid(), 9), ClientError, "^preparing: .* was killed by signal 9$"),
    ],
)
def test_aside_tells_what_went_wrong(work: Callable[[], bytes], kind: type[Exception], message: str) -> None:
    before = sockets()
    with pytest.raises(kind, match=message) as error:
        aside(work)
    assert sockets() == before
    if "ValueError" in message:
        assert ", in train" in error.value.trace  # type: ignore[attr-defined]
