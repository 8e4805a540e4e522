"""The serial trainer goes through as many samples as it says beforehand."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from fedkd.keys import key
from fedkd.trainers import Serial

STREAM = key(0, "train", 3, 1)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    trainer=st.builds(Serial, st.integers(1, 4), st.integers(0, 9), st.integers(0, 12), st.just("auto")),
    samples=st.integers(1, 20),
)
def test_work_is_what_is_really_gone_through(trainer: Serial, samples: int) -> None:
    assert trainer.work(samples) == sum(map(len, trainer.orders(samples, STREAM)))


def test_a_client_without_samples_has_nothing_to_do() -> None:
    assert [Serial(2, size, limit, "auto").work(0) for size in (0, 5) for limit in (0, 3)] == [0, 0, 0, 0]
