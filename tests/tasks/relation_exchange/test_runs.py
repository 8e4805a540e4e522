"""Whole runs: what the server's table becomes, what travels, where clients are trained, and going on."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedkd.build import build
from fedkd.compose import compose
from fedkd.configuration import Settings
from fedkd.tasks import RelationExchange
from tests.e2e.runs import EXCHANGE, kept, resume, rounds_of, run, settings_of

pytestmark = pytest.mark.e2e

ANCHORS = 20
LOSSLESS = (*EXCHANGE, "algorithm=sgd")


def sha(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize("weights", ["samples", "uniform"])
def test_a_round_makes_the_table_the_mean_of_the_clients_relations(weights: str, tmp_path: Path) -> None:
    """Every client by hand; weighted as models are: server and client have float32, so rounding is all that is left."""
    overrides = [*LOSSLESS, "rounds=1", f"algorithm.weights={weights}"]
    run(tmp_path, overrides)
    setup = build(Settings.of(compose(overrides)), lambda _: None)
    shop, x = setup.workshop("cpu", tmp_path), setup.model
    assert not x.any()
    tables = []
    for client in range(4):
        shop.trainer.train(shop.learner, shop.solver, [shop.pupil(0, client, x)])
        tables.append(shop.learner.relations().view(-1).double().numpy())
    counts = [len(part) for part in setup.parts] if weights == "samples" else None
    expected = np.average(tables, axis=0, weights=counts)
    np.testing.assert_allclose(kept(tmp_path).server.model.double().numpy(), expected, rtol=0, atol=1e-7)
    assert len({table.tobytes() for table in tables}) == 4


def test_clients_of_different_architectures_go_on_with_their_own(tmp_path: Path) -> None:
    run(tmp_path, [*LOSSLESS, "store=memory"])
    setup = build(settings_of(LOSSLESS), lambda _: None)
    learner, states = setup.learner, kept(tmp_path).carried.states
    vectors = [states[client].task for client in range(4)]
    assert all(vector is not None and len(vector) == learner.keeps for vector in vectors)
    assert [int(vector[0]) for vector in vectors if vector is not None] == [0, 1, 2, 0]
    assert len({student.dim for student in learner.students}) == 3


def test_only_relations_travel(tmp_path: Path) -> None:
    """Bytes do not depend on how large networks are."""
    sizes = []
    for place, width in enumerate((8, 64)):
        run(tmp_path / str(place), [*LOSSLESS, f"task.students.cnn.hidden={width}"])
        sizes.append([(line["bytes_up"], line["bytes_down_broadcast"]) for line in rounds_of(tmp_path / str(place))])
    assert sizes[0] == sizes[1]
    numbers = 4 * ANCHORS * (ANCHORS - 1)
    assert numbers <= sizes[0][0][1] <= numbers + 200
    assert 4 * numbers <= sizes[0][0][0] <= 4 * (numbers + 200)


def test_mcm_takes_fewer_bytes(tmp_path: Path) -> None:
    totals = {}
    for algorithm in ("sgd", "mcm"):
        run(tmp_path / algorithm, [*EXCHANGE, f"algorithm={algorithm}"])
        last = rounds_of(tmp_path / algorithm)[-1]
        totals[algorithm] = last["bytes_up"], last["bytes_down_broadcast"]
        assert last["diagnostics"]["anchor_loss"] > 0
    assert all(4 * mcm < sgd for mcm, sgd in zip(totals["mcm"], totals["sgd"], strict=True))


@pytest.mark.parametrize("executor", ["processes", "flower_in_process"])
def test_the_same_bits_wherever_clients_are_trained(executor: str, tmp_path: Path) -> None:
    ways = {
        "processes": ["executor=processes", "executor.workers=2"],
        "flower_in_process": ["executor=flower_in_process"],
    }
    run(tmp_path / "local", EXCHANGE)
    run(tmp_path / executor, [*EXCHANGE, *ways[executor]])
    assert sha(tmp_path / executor) == sha(tmp_path / "local")
    local, other = (rounds_of(tmp_path / name)[-1] for name in ("local", executor))
    assert local["diagnostics"] == other["diagnostics"]


@pytest.mark.parametrize("store", ["folder", "memory"])
def test_a_run_that_goes_on_is_the_run_that_never_stopped(store: str, tmp_path: Path) -> None:
    """With clients that are not there in every round."""
    overrides = [*EXCHANGE, f"store={store}", "participation=bernoulli", "participation.p=0.7"]
    run(tmp_path / "whole", [*overrides, "rounds=3"])
    run(tmp_path / "parts", overrides)
    resume(tmp_path / "parts", 3)
    assert sha(tmp_path / "parts") == sha(tmp_path / "whole")
    assert rounds_of(tmp_path / "parts") == rounds_of(tmp_path / "whole")


def test_trainer_auto_tries_serial_ones(tmp_path: Path) -> None:
    assert run(tmp_path, [*EXCHANGE, "trainer=auto", "trainer.epochs=1", "rounds=1"]).reason == "finished"


def test_settings_of_a_round_are_the_local_tasks() -> None:
    task = settings_of(EXCHANGE).task
    assert isinstance(task, RelationExchange)
    assert task.on_collapse == task.local.on_collapse
    assert task.probes == task.local.probes
    assert task.at(3) == replace(task, local=task.local.at(3))
