"""Calls that all ranks make together: what each gets, how they wait, and how they end when one of them does."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.executors.mpi.launchers import Launcher, end, launchers, signalled

pytestmark = pytest.mark.parametrize("launcher", launchers(), ids=lambda launcher: launcher.mpirun, scope="module")
QUICK = 5.0
"""Seconds in which a job must have ended after a failure."""


@pytest.fixture(scope="module")
def said(launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What every rank found; the whole job ended well and said nothing."""
    folder = tmp_path_factory.mktemp("gathers")
    ended = end(launcher.start(3, "gathers", folder), folder)
    assert (ended.code, ended.text) == (0, "")
    found = json.loads((folder / "found.json").read_text())
    assert found["ranks"] == [[0, 3]]
    assert len(found["said"]) == 3
    values: list[dict[str, Any]] = found["said"]
    return values


@pytest.mark.parametrize("what", ["whole", "often", "waited"])
def test_all_ranks_get_what_all_told_and_wait_for_each_other(what: str, said: list[dict[str, Any]]) -> None:
    assert [rank[what] for rank in said] == [True] * 3


def test_waiting_leaves_the_cores_alone(said: list[dict[str, Any]]) -> None:
    assert max(rank["burned"] for rank in said) < 0.2


REST = pytest.param("the_first_breaks", marks=pytest.mark.exhaustive)


@pytest.mark.parametrize("scenario", ["one_breaks", REST])
def test_a_rank_that_fails_ends_the_job_and_why_is_said_once(launcher: Launcher, scenario: str, tmp_path: Path) -> None:
    ended = end(launcher.start(3, scenario, tmp_path), tmp_path)
    assert ended.code == 1
    assert ended.seconds < QUICK
    assert ended.text.count("Traceback") == 1
    assert ended.text.splitlines()[-1].endswith("RuntimeError: nobody catches this")


SIGNALS = [(0, signal.SIGTERM), (1, signal.SIGTERM), (2, signal.SIGINT), (None, signal.SIGINT)]
MARKED = [(1, signal.SIGINT), *(pytest.param(*case, marks=pytest.mark.exhaustive) for case in SIGNALS)]


@pytest.mark.parametrize(("rank", "number"), MARKED)
def test_a_signal_to_any_rank_or_to_the_launcher_interrupts_the_job(
    launcher: Launcher, rank: int | None, number: signal.Signals, tmp_path: Path
) -> None:
    if launcher.open_mpi and rank is None:
        pytest.skip("Open MPI kills the ranks after half a second")
    ended = signalled(launcher.start(3, "meets", tmp_path), rank, number, tmp_path)
    assert ended.code == 128 + number
    assert ended.seconds < QUICK
    assert ended.text == "interrupted\n"
