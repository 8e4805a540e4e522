"""What the handlers do in this process: who they belong to, and what they put off."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from fedkd.signals import SIGNALS, Interrupted, exit_code, heeded, postponed


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Those that were here are here again."""
    before = [signal.getsignal(number) for number in SIGNALS]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_raised_where_it_finds_the_work(number: signal.Signals) -> None:
    with heeded(), pytest.raises(Interrupted) as caught:
        signal.raise_signal(number)
    assert exit_code(caught.value) == 128 + number


def test_without_a_signal_of_ours_it_was_ctrl_c() -> None:
    assert exit_code(KeyboardInterrupt()) == 130


def test_what_was_there_is_there_again_unless_the_process_is_at_its_end() -> None:
    with heeded():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert [signal.getsignal(number) for number in SIGNALS] == [signal.default_int_handler, signal.SIG_DFL]
    with heeded(), pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)  # Comes together with the first.


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with heeded():
        signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_handlers_that_others_put_in_stay() -> None:
    with heeded():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_a_first_signal_waits_for_the_end_of_a_block() -> None:
    done = []

    def work() -> None:
        with heeded(), postponed():
            signal.raise_signal(signal.SIGTERM)
            with postponed():
                done.append("inner")
            done.append("outer")

    with pytest.raises(Interrupted, match="SIGTERM"):
        work()
    assert done == ["inner", "outer"]


def test_a_thread_heeds_nothing() -> None:
    found = []

    def work() -> None:
        with heeded(), postponed():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL]
