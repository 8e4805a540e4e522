"""Seats from what the ranks say: hosts by their lowest rank, GPUs shared by those who see the same."""

from __future__ import annotations

from typing import Any

import pytest

from fedkd.errors import ConfigurationError
from fedkd.executors.mpi import muster
from fedkd.executors.mpi.post import Note
from fedkd.executors.placement import Seat


def _said(leader: int, name: str, gpus: int, visible: str | None = None) -> dict[str, Any]:
    return {"leader": leader, "name": name, "devices": [f"cuda:{gpu}" for gpu in range(gpus)], "visible": visible}


def _places(said: list[dict[str, Any]], workers_per_gpu: Any = "auto") -> list[tuple[str, str]]:
    return [(seat.host, seat.device) for seat in muster.assign(said, workers_per_gpu)]


def test_ranks_of_a_host_take_its_gpus_in_turn() -> None:
    said = [_said(0, "a", 2), _said(1, "b", 0), _said(0, "a", 2), _said(0, "a", 2)]
    assert _places(said) == [("a", "cuda:0"), ("b", "cpu"), ("a", "cuda:1"), ("a", "cuda:0")]


def test_hosts_of_one_name_are_told_apart() -> None:
    said = [_said(0, "node", 1), _said(1, "node", 1)]
    assert _places(said, 1) == [("node/0", "cuda:0"), ("node/1", "cuda:0")]


def test_ranks_that_were_given_a_gpu_each_take_their_own() -> None:
    said = [_said(0, "a", 1, visible) for visible in ("0", "1", "2")]
    assert _places(said, 1) == [("a", "cuda:0")] * 3


def test_ranks_that_see_different_numbers_of_gpus_stay_within_theirs() -> None:
    said = [_said(0, "a", 2, "0,1"), _said(0, "a", 1, "2"), _said(0, "a", 2, "0,1")]
    assert _places(said) == [("a", "cuda:0"), ("a", "cuda:0"), ("a", "cuda:1")]


def test_too_many_ranks_for_the_gpus_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="workers_per_gpu"):
        _places([_said(0, "a", 1)] * 3, 2)


def test_seat_survives_its_note() -> None:
    seat = Seat(3, "a", "cuda:1")
    assert muster.seat_of(Note.unpack(muster.seat_note(seat).pack())) == seat
