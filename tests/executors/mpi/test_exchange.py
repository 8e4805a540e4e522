"""Parcels over MPI: every shape, both ways at once, and waiting that leaves the cores alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.executors.mpi.launchers import Launcher, end, launchers


@pytest.fixture(scope="module", params=launchers(), ids=lambda launcher: launcher.mpirun)
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What rank 0 found; the whole job ended well and said nothing."""
    launcher: Launcher = request.param
    folder = tmp_path_factory.mktemp("exchange")
    ended = end(launcher.start(3, "exchange", folder), folder)
    assert (ended.code, ended.text) == (0, "")
    values: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return values


def test_ranks_above_0_are_spread_over_the_gpus_of_their_host(found: dict[str, Any]) -> None:
    assert found["seats"] == [[1, "cuda:0"], [2, "cuda:1"]]
    assert found["hosts"] == 1


@pytest.mark.parametrize("what", ["sizes", "small", "crossing", "trains"])
def test_parcels_arrive_as_they_were_sent(what: str, found: dict[str, Any]) -> None:
    assert found[what]


def test_waiting_leaves_the_cores_alone(found: dict[str, Any]) -> None:
    server, worker = found["idle"]
    assert server < 0.2
    assert worker < 0.2


def test_failure_of_rank_0s_own_worker_is_told(found: dict[str, Any]) -> None:
    assert found["thread"] == ["FAILED", "RuntimeError: nobody catches this"]
