"""A federation that is small enough to be run many times."""

from __future__ import annotations

import pytest

OVERRIDES = (
    "data=digits",
    "data.samples=300",
    "data.public=500",
    "clients=4",
    "rounds=3",
    "threads=1",
    "partitioner=iid",
    "teacher.epochs=1",
    "recorder=quiet",
    "executor=local",
)


@pytest.fixture
def overrides() -> tuple[str, ...]:
    return OVERRIDES
