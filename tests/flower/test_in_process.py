"""Flower's apps in one process: the trajectory of the local executor, and every failure made good."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fedkd.algorithms import ServerState
from fedkd.build import build
from fedkd.compose import compose
from fedkd.configuration import Settings, check
from fedkd.flower.in_process import conduct
from fedkd.flower.memories import Keeper, memories_of
from fedkd.job import Job
from fedkd.records import Outcome
from tests.e2e.runs import DIGITS, RESSL, SMALL, STUDENT, SUPERVISED, TINY, kept, resume, rounds_of, run
from tests.flower.faulty_grid import Fault, FaultyGrid

HERE = ("executor=flower_in_process",)
PATIENT = ("executor.timeout=0.2", "admission=drop")
PARTIAL = (*SMALL, *DIGITS, *STUDENT, "participation=bernoulli")
METHODS = {
    "FedKD": (
        *PARTIAL,
        "experiment=fedkd",
        *(f"teacher.model.{size}" for size in ("channels=[4]", "hidden=8", "groups=2")),
    ),
    "FedGKD": (*PARTIAL, "experiment=fedgkd"),
    "FedDistill+": (*PARTIAL, "experiment=feddistill", "algorithm=rand_mcm"),
    "ReSSL": (*RESSL, "participation=bernoulli"),
}
ALGORITHMS = ("mcm", "rand_mcm", "artemis", "dore", "sgd", "diana")


def through(grid: FaultyGrid, folder: Path, *overrides: str, simulated: bool = True) -> Outcome:
    """A run over a grid of ours."""
    overrides = (*overrides, *HERE, *PATIENT)
    settings = Settings.of(values := compose(overrides))
    check(settings)
    return conduct(Job(settings, folder, values, list(overrides), settings.recorder), grid, simulated)


def check_ends(keeper: Callable[[int], Keeper], state: ServerState, compresses: str) -> None:
    """Both ends of every client's links hold the same."""
    for client in range(4):
        held = keeper(client).load(state.model, 0)
        assert held.client.sent == state.uplink.taken[client]
        if client in state.uplink.own:
            assert torch.equal(held.client.uplink, state.uplink.own[client])
        if client in state.downlink.own:
            assert torch.equal(held.client.downlink, state.downlink.own[client][0])
        elif compresses == "model" and state.downlink.memory is not None:
            assert held.receiver.version == state.downlink.version
            assert torch.equal(held.receiver.memory, state.downlink.memory)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("participation", ["full", "bernoulli"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_trajectory_and_the_bytes_are_those_of_the_local_executor(
    tmp_path: Path, algorithm: str, participation: str
) -> None:
    overrides = [*TINY, f"algorithm={algorithm}", f"participation={participation}", "rounds=5"]
    here = run(tmp_path / "flower", [*overrides, *HERE])
    local = run(tmp_path / "local", overrides)
    assert (here.reason, here.model_sha256) == ("finished", local.model_sha256)
    assert rounds_of(tmp_path / "flower") == rounds_of(tmp_path / "local")


@pytest.mark.sampled(3)
@pytest.mark.parametrize("simulated", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_what_is_kept_and_what_travels_beside_the_model_is_that_of_the_local_executor(
    tmp_path: Path, method: str, simulated: bool
) -> None:
    grid = FaultyGrid(4)
    outcome = through(grid, tmp_path / "flower", *METHODS[method], "rounds=4", simulated=simulated)
    assert outcome.model_sha256 == run(tmp_path / "local", [*METHODS[method], "rounds=4"]).model_sha256
    assert rounds_of(tmp_path / "flower") == rounds_of(tmp_path / "local")
    for line in rounds_of(tmp_path / "flower"):
        counted = grid.bytes.get(line["round"], {"up": 0, "down": 0})
        assert counted["up"] == line["bytes_up"]
        assert counted["down"] == len(line["cohort"]) * line["bytes_down_broadcast"] + line["bytes_down_unicast"]


@pytest.mark.parametrize("simulated", [True, False])
def test_a_client_that_is_started_anew_keeps_its_teacher(tmp_path: Path, simulated: bool) -> None:
    """The round of its restart by hand, from the teacher that it had trained in the round before."""
    overrides, teachers = [*METHODS["FedKD"], "algorithm=sgd", "participation=full"], []
    setup = build(Settings.of(compose(overrides)), lambda _: None)
    for rounds in (4, 5):
        grid, folder = FaultyGrid(4, Fault("twice", client=2, round=1)), tmp_path / str(rounds)
        through(grid, folder, *overrides, f"rounds={rounds}", simulated=simulated)
        keeper = Keeper(grid.client(2).state, 2, memories_of(folder, run=1) if simulated else None)
        teachers.append(keeper.load(setup.model, setup.learner.keeps).client.task)
    assert [line["restarted"] for line in rounds_of(tmp_path / "5")] == [[], [], [], [], [2]]
    shop, received = setup.workshop("cpu", tmp_path), kept(tmp_path / "4").server.model
    [update] = shop.trainer.train(shop.learner, shop.solver, [shop.pupil(4, 2, received, teachers[0])])
    assert torch.equal(update.kept, teachers[1])


@pytest.mark.parametrize("algorithm", ["mcm", "rand_mcm", "artemis"])
def test_the_bytes_reported_are_those_of_the_arrays(tmp_path: Path, algorithm: str) -> None:
    grid = FaultyGrid(4)
    through(grid, tmp_path, *TINY, f"algorithm={algorithm}", "participation=bernoulli", "rounds=4")
    for line in rounds_of(tmp_path):
        asked, counted = len(line["cohort"]), grid.bytes.get(line["round"], {"up": 0, "down": 0})
        assert counted["up"] == line["bytes_up"]
        assert counted["down"] == asked * line["bytes_down_broadcast"] + line["bytes_down_unicast"]


def test_nothing_is_counted_for_a_client_whose_node_is_gone(tmp_path: Path) -> None:
    grid = FaultyGrid(4, Fault("leaves", client=2, round=0))
    through(grid, tmp_path, *SUPERVISED, "algorithm=mcm", "rounds=4")
    for line in rounds_of(tmp_path)[1:]:
        assert (line["missing"], line["restarted"]) == ({"2": "not connected"}, [])
        assert line["bytes_down_unicast"] == 0
        assert grid.bytes[line["round"]]["down"] == 3 * line["bytes_down_broadcast"]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("algorithm", "simulated"),
    [("mcm", True), ("rand_mcm", True), ("artemis", True), ("dore", True), ("mcm", False)],
)
@pytest.mark.parametrize(
    ("kind", "rounds", "restarts"),
    [("silent", [1], []), ("late", [1], []), ("restarts", [1], [2]), ("twice", [1, 3], [4])],
)
def test_a_client_that_fails_is_named_and_goes_back_or_starts_anew(
    tmp_path: Path, algorithm: str, kind: str, rounds: list[int], restarts: list[int], simulated: bool
) -> None:
    grid = FaultyGrid(4, Fault(kind, client=2, round=1))
    outcome = through(grid, tmp_path, *SUPERVISED, f"algorithm={algorithm}", "rounds=5", simulated=simulated)
    assert outcome.reason == "finished"
    lines = rounds_of(tmp_path)
    assert [line["round"] for line in lines if line["missing"]] == rounds
    assert all(list(line["missing"]) == ["2"] for line in lines if line["missing"])
    assert [line["round"] for line in lines if line["restarted"] == [2]] == restarts
    files = memories_of(tmp_path, run=1) if simulated else None
    check_ends(
        lambda client: Keeper(grid.client(client).state, client, files),
        kept(tmp_path).server,
        "model" if "mcm" in algorithm else "step",
    )


@pytest.mark.parametrize(("algorithm", "simulated"), [("mcm", True), ("artemis", False), ("rand_mcm", False)])
def test_a_message_that_is_delivered_once_more_does_no_harm(tmp_path: Path, algorithm: str, simulated: bool) -> None:
    grid = FaultyGrid(4, Fault("again", client=2, round=1))
    overrides = [*SUPERVISED, f"algorithm={algorithm}", "rounds=4"]
    outcome = through(grid, tmp_path / "again", *overrides, simulated=simulated)
    assert outcome.model_sha256 == run(tmp_path / "local", overrides).model_sha256
    files = memories_of(tmp_path / "again", run=1) if simulated else None
    check_ends(
        lambda client: Keeper(grid.client(client).state, client, files),
        kept(tmp_path / "again").server,
        "model" if "mcm" in algorithm else "step",
    )


@pytest.mark.parametrize(("run_id", "changes"), [(1, ["trainer.epochs=2"]), (2, [])])
def test_a_second_job_over_the_same_contexts_finds_no_memories_of_the_first(
    tmp_path: Path, run_id: int, changes: list[str]
) -> None:
    """A comparison in one Flower run, and another run of Flower's same series."""
    grid, overrides = FaultyGrid(4), [*SUPERVISED, "algorithm=mcm", "rounds=3"]
    through(grid, tmp_path / "first", *overrides, simulated=False)
    for context in grid.contexts.values():
        context.run_id = run_id
    outcome = through(grid, tmp_path / "second", *overrides, *changes, simulated=False)
    assert outcome.model_sha256 == run(tmp_path / "local", [*overrides, *changes]).model_sha256


@pytest.mark.parametrize("algorithm", ["mcm", "artemis"])
def test_memories_in_contexts_give_the_same_trajectory(tmp_path: Path, algorithm: str) -> None:
    overrides = [*TINY, f"algorithm={algorithm}", "rounds=5"]
    outcome = through(FaultyGrid(4), tmp_path / "flower", *overrides, simulated=False)
    assert outcome.model_sha256 == run(tmp_path / "local", overrides).model_sha256
    assert not (tmp_path / "flower" / "clients" / "flower-1").exists()


def test_the_reason_is_told(tmp_path: Path) -> None:
    through(FaultyGrid(4, Fault("late", 2, 0), Fault("restarts", 1, 1)), tmp_path, *SUPERVISED)
    (late, lost) = [line["missing"] for line in rounds_of(tmp_path)]
    assert late == {"2": "no reply within 0.2 s"}
    assert lost == {"1": "has lost its memories"}


def test_a_client_that_raises_is_named_with_its_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from tests.faults.trainers import faulty

    outcome = run(tmp_path, [*SUPERVISED, *HERE, *PATIENT, *faulty("raises", 1, 2)])
    assert outcome.reason == "finished"
    assert rounds_of(tmp_path)[1]["missing"] == {"2": "ValueError: this sample cannot be read"}
    assert capfd.readouterr().err.count("Traceback") == 1


def test_without_a_quorum_the_run_fails_and_can_be_resumed(tmp_path: Path) -> None:
    faults = [Fault("silent", client, 1) for client in (0, 1, 2)]
    outcome = through(FaultyGrid(4, *faults), tmp_path, *SUPERVISED, "rounds=3")
    assert (outcome.reason, outcome.rounds) == ("failed", 1)
    assert outcome.message.startswith(
        "round 1: 1 of 4 clients, fewer than the quorum of 0.5; client 0, round 1: no reply"
    )
    assert resume(tmp_path, 3, *HERE).reason == "finished"


@pytest.mark.parametrize("executors", [("local", "flower_in_process"), ("flower_in_process", "local")])
def test_a_resumed_run_starts_its_clients_anew(tmp_path: Path, executors: tuple[str, str]) -> None:
    first, second = executors
    run(tmp_path, [*SUPERVISED, "algorithm=mcm", f"executor={first}"])
    assert resume(tmp_path, 4, f"executor={second}").reason == "finished"
    lines: list[Any] = rounds_of(tmp_path)
    assert [line["restarted"] for line in lines] == [[], [], [0, 1, 2, 3], []]
    assert not any(line["missing"] for line in lines)
    assert lines[2]["bytes_down_unicast"] > 0
