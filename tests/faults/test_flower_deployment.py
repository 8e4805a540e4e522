"""A deployment on loopback with TLS: the local executor's model, and nodes that are killed, end, and come back.

One federation serves all tests. Its nodes keep their memories in their own processes, so what they hold is seen by
replaying who was missing over nodes in memory: the same bits come out only if both ends were equal all the time.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fedkd.compose import compose
from fedkd.configuration import Settings
from fedkd.flower.in_process import conduct
from fedkd.job import Job
from fedkd.records import Outcome
from sims.split_data import split
from tests.e2e.runs import DIGITS, SMALL, STUDENT, TEACHER, rounds_of, run, settings_of
from tests.flower.deploy.federation import Federation
from tests.flower.faulty_grid import Fault, FaultyGrid

pytestmark = [pytest.mark.flower, pytest.mark.slow, pytest.mark.xdist_group("deployment")]

NODES = 3
PLAIN = (*SMALL, *STUDENT, f"clients={NODES}", "data=folder", "partitioner=natural_id")
DISTILLED = ("algorithm=mcm", "teacher=local", *TEACHER, "rounds=5")
ARTEMIS = ("algorithm=artemis", "task=supervised", "rounds=5")
KILLED, ENDED = 1, 2


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """160 digits of 3 clients, divided."""
    folder = tmp_path_factory.mktemp("data") / "digits"
    split(settings_of([*SMALL, *STUDENT, *DIGITS, f"clients={NODES}", "task=supervised"]), folder)
    return folder


@pytest.fixture(scope="module")
def federation(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """A SuperLink and 3 SuperNodes."""
    started = Federation(tmp_path_factory.mktemp("federation"), data, NODES)
    try:
        started.start()
        yield started
    finally:
        started.stop()


def deployed(data: Path, *overrides: str) -> list[str]:
    """Overrides of a run over the nodes."""
    return [*PLAIN, f"data.path={data / 'server'}", "executor=flower", *overrides]


def test_the_model_is_that_of_the_local_executor(federation: Federation, data: Path, tmp_path: Path) -> None:
    with federation.run("mcm", *deployed(data, *DISTILLED)) as over_nodes:
        manifest = over_nodes.ends()
    check_equal(manifest, over_nodes.rounds(), tmp_path, *PLAIN, *DISTILLED, f"data.path={data / 'all'}")


def test_a_run_outlives_its_superlink(federation: Federation, data: Path, tmp_path: Path) -> None:
    with federation.run("artemis", *deployed(data, *ARTEMIS)) as over_nodes:
        over_nodes.reaches(2)
        federation.restart_superlink()
        manifest = over_nodes.ends()
    check_equal(manifest, over_nodes.rounds(), tmp_path, *PLAIN, *ARTEMIS, f"data.path={data / 'all'}")


def check_equal(manifest: dict[str, Any], rounds: Sequence[dict[str, Any]], folder: Path, *local: str) -> None:
    """The model, and the bytes of every round, are those of the local executor."""
    assert (manifest["reason"], [line["missing"] for line in rounds]) == ("finished", [{}] * 5)
    assert run(folder, local).model_sha256 == manifest["model_sha256"]
    assert counted(rounds_of(folder)) == counted(rounds)


def counted(rounds: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The bytes of every round."""
    return [{key: value for key, value in line.items() if key.startswith("bytes")} for line in rounds]


def test_nodes_that_end_or_are_killed_come_back_and_start_anew(
    federation: Federation, data: Path, tmp_path: Path
) -> None:
    """The killed one comes back when the SuperLink has noticed, after up to a minute; the rounds go on meanwhile."""
    task = ("algorithm=mcm", "task=supervised", "rounds=20")
    limits = ("admission=drop", "admission.quorum=0.3", "executor.timeout=10")
    with federation.run("faults", *deployed(data, *task, *limits)) as over_nodes:
        over_nodes.reaches(1)
        federation.signal_node(KILLED, signal.SIGKILL)
        over_nodes.reaches(3)
        federation.signal_node(ENDED, signal.SIGTERM)
        manifest = over_nodes.ends()
    rounds = over_nodes.rounds()
    assert (manifest["reason"], len(rounds)) == ("finished", 20)
    for node in (KILLED, ENDED):
        assert any(str(node) in line["missing"] for line in rounds), "the report names who was missing"
        assert any(node in line["restarted"] and str(node) not in line["missing"] for line in rounds), "it came back"
    again = replayed(tmp_path, rounds, *PLAIN, *task, f"data.path={data / 'all'}")
    assert again.model_sha256 == manifest["model_sha256"]


def replayed(folder: Path, rounds: Sequence[dict[str, Any]], *overrides: str) -> Outcome:
    """The same run over nodes in memory that do not answer, or have lost everything, where the deployment's did."""
    faults = [
        Fault("restarts" if "lost" in why else "silent", int(client), line["round"])
        for line in rounds
        for client, why in line["missing"].items()
    ]
    overrides = (
        *overrides,
        "executor=flower_in_process",
        "admission=drop",
        "admission.quorum=0.3",
        "executor.timeout=0.2",
    )
    values = compose(overrides)
    settings = Settings.of(values)
    return conduct(Job(settings, folder, values, overrides, settings.recorder), FaultyGrid(NODES, *faults))
