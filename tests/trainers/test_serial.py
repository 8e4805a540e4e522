"""The serial trainer goes through as many samples as it says beforehand."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedkd.clients import ClientSamples
from fedkd.data import Split
from fedkd.keys import key
from fedkd.trainers import Serial, Solver

STREAM = key(0, "train", 3, 1)


class Counting(Solver):
    """Gives the number of samples that it was given."""

    def update(self, learner: Any, x: torch.Tensor, batches: Iterable[Any]) -> torch.Tensor:
        return torch.tensor(sum(len(batch.y) for batch in batches))


def nothing(*_: object) -> tuple[float, ...]:
    return ()


IDLE: Any = SimpleNamespace(load=nothing, begin_epoch=nothing, report=nothing)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(trainer=st.builds(Serial, st.integers(1, 4), st.integers(0, 9), st.integers(0, 12)), samples=st.integers(1, 20))
def test_work_is_what_is_really_gone_through(trainer: Serial, samples: int) -> None:
    split = Split(torch.zeros(samples, 1), torch.zeros(samples))
    own = ClientSamples(split, torch.arange(samples), None)
    seen = trainer.train(IDLE, Counting(), torch.zeros(1), own, STREAM).vector.item()
    assert trainer.work(samples) == seen


def test_a_client_without_samples_has_nothing_to_do() -> None:
    assert [Serial(2, size, limit).work(0) for size in (0, 5) for limit in (0, 3)] == [0, 0, 0, 0]
