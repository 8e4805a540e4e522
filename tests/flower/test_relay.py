"""The relay: what a recorder in a ServerApp is told, the launcher's recorder hears; the other way one word."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fedkd.errors import ConfigurationError
from fedkd.executors import ClientError
from fedkd.flower.relay import Relay, failure, raised
from fedkd.flower.simulation.follower import follow
from fedkd.flower.simulation.listener import Listener
from fedkd.records import Commentator, Outcome
from tests.flower.heard import INFO, OUTCOME, REPORT, SEATS, Heard


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    with Listener(tmp_path / "relay") as listener:
        yield listener


def told(tmp_path: Path, listener: Listener, recorder: Commentator, work: Callable[[Relay], None]) -> Outcome:
    """What follows from work in another thread that has the relay."""
    errors: list[BaseException] = []

    def speak() -> None:
        try:
            with Relay(str(tmp_path / "relay")) as relay:
                work(relay)
        except BaseException as error:
            errors.append(error)

    speaker = threading.Thread(target=speak)
    speaker.start()
    try:
        return follow(listener, recorder, lambda: None)
    finally:
        speaker.join()


def everything(relay: Relay) -> None:
    relay.announce("loading data")
    relay.show_workers(SEATS)
    relay.start(INFO)
    relay.record(REPORT)
    relay.finish(OUTCOME)


def until_interrupted(relay: Relay) -> None:
    relay.start(INFO)
    relay.record(REPORT)
    while not relay.interrupted():
        time.sleep(0.01)
    relay.finish(Outcome("interrupted", 2, 0.1, "", "interrupted"))


def test_the_launcher_hears_what_the_server_said(tmp_path: Path, listener: Listener) -> None:
    heard = Heard()
    assert told(tmp_path, listener, heard, everything) == OUTCOME
    calls = [("announce", "loading data"), ("workers", SEATS), ("start", INFO), ("record", REPORT), ("finish", OUTCOME)]
    assert heard.calls == calls


@pytest.mark.parametrize(
    "error", [ConfigurationError("alpha=0 is not positive"), ClientError("client 3, round 1: broke", "  File x\n")]
)
def test_an_error_is_raised_where_the_user_is(tmp_path: Path, listener: Listener, error: Exception) -> None:
    def fail(relay: Relay) -> None:
        raise error

    with pytest.raises(type(error), match=str(error)) as caught:
        told(tmp_path, listener, Heard(), fail)
    assert getattr(caught.value, "trace", "") == getattr(error, "trace", "")


def test_an_error_that_nobody_expects_comes_with_its_traceback() -> None:
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError as error:
        back = raised(failure(error))
    assert isinstance(back, ClientError)
    assert str(back) == "ZeroDivisionError: by zero"
    assert "test_relay.py" in back.trace


def test_an_interruption_reaches_the_run_which_ends_in_order(tmp_path: Path, listener: Listener) -> None:
    class Impatient(Heard):
        def record(self, report: object) -> None:
            raise KeyboardInterrupt

    assert told(tmp_path, listener, Impatient(), until_interrupted).reason == "interrupted"


def test_before_the_first_round_an_interruption_ends_the_waiting_at_once(tmp_path: Path, listener: Listener) -> None:
    class Impatient(Heard):
        def announce(self, message: str) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        told(tmp_path, listener, Impatient(), lambda relay: relay.announce("loading data"))


def test_a_launcher_that_is_gone_interrupts_the_run(tmp_path: Path, listener: Listener) -> None:
    with Relay(str(tmp_path / "relay")) as relay:
        next(listener.hear())
        assert not relay.interrupted()
        listener.__exit__(None, None, None)
        while not relay.interrupted():
            time.sleep(0.01)
        relay.announce("nobody hears this, and nothing is raised")


def test_a_run_that_hangs_up_without_a_word_has_failed_also_for_the_recorder(
    tmp_path: Path, listener: Listener
) -> None:
    heard = Heard()
    with pytest.raises(ClientError, match="ended before the run did"):
        told(tmp_path, listener, heard, lambda relay: relay.start(INFO))
    name, outcome = heard.calls[-1]
    assert name == "finish"
    assert isinstance(outcome, Outcome)
    assert outcome.reason == "failed"


def test_while_nobody_calls_the_launcher_sees_whether_somebody_can(listener: Listener) -> None:
    def check() -> None:
        raise ClientError("the SuperLink ended")

    with pytest.raises(ClientError, match="the SuperLink ended"):
        follow(listener, Heard(), check)
