"""``trainer=auto``: a trial chooses a trainer, the manifest says which, and a resumed run keeps it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fedkd import trial
from fedkd.build import Setup, build
from fedkd.compose import compose
from fedkd.configuration.settings import Settings
from fedkd.executors import Auto, Local, Processes, processes
from fedkd.keys import key
from fedkd.models import Mlp, ResNet
from fedkd.tasks import Supervised
from fedkd.tasks.learner import NetworkLearner
from fedkd.trainers import Batched, Fastest, Serial
from tests.e2e.runs import SUPERVISED, manifest_of, resume, rounds_of, run

FASTEST = Fastest(epochs=2, batch_size=8, batches=3)


def learner(model: Any, shape: tuple[int, ...] = (1, 4, 4)) -> NetworkLearner:
    return NetworkLearner(model.build(shape, 3, key(0, "model")), Supervised(0.0))


def quiet(message: str) -> None:
    return


def setup_of(*overrides: str) -> tuple[Setup, dict[str, Any]]:
    values = compose([*SUPERVISED, "trainer=auto", "clients=4", *overrides])
    return build(Settings.of(values), quiet), values


def test_candidates_go_through_the_same_samples() -> None:
    for candidate in FASTEST.candidates(learner(Mlp(hidden=(4,))), clients=20):
        assert (candidate.epochs, candidate.batch_size, candidate.batches) == (2, 8, 3)


def test_no_candidate_is_there_twice() -> None:
    plain, residual = (
        [c for c in FASTEST.candidates(learner(model, shape), 20) if isinstance(c, Serial)]
        for model, shape in ((Mlp(hidden=(4,)), (1, 4, 4)), (ResNet(4, 1, 2, "group"), (1, 8, 8)))
    )
    assert [candidate.fused for candidate in plain] == ["auto", "off"]
    assert len(residual) == 1, "a network that has no other way"


def test_as_many_clients_at_once_as_there_are() -> None:
    sizes = [c.clients for c in FASTEST.candidates(learner(Mlp(hidden=(4,))), 20) if isinstance(c, Batched)]
    assert sizes == [4, 16, "auto"]
    assert not [c for c in FASTEST.candidates(learner(Mlp(hidden=(4,))), 1) if isinstance(c, Batched)]


def test_every_candidate_is_timed_twice_and_the_fastest_taken(tmp_path: Path) -> None:
    setup, values = setup_of("executor=local")
    said: list[str] = []
    choice = trial.choose(setup, values, tmp_path, said.append)
    rows = choice.facts["trainer_timings"]
    assert isinstance(rows, list)
    assert len(rows) == len(FASTEST.candidates(learner(Mlp(hidden=(4,))), clients=4))
    paces = [row["seconds_client"][1] for row in rows if len(row["seconds_client"]) == 2]
    assert min(paces) > 0
    best = min((row for row in rows if len(row["seconds_client"]) == 2), key=lambda row: row["seconds_client"][1])
    assert best["trainer"] == choice.facts["trainer_choice"]
    assert choice.values["trainer"] == choice.facts["trainer_choice"]
    assert said[0] == "timing trainers"
    assert Settings.of(choice.values).trainer == choice.setup.settings.trainer, "workers elsewhere get the same"
    assert {**choice.values, "trainer": 0} == {**values, "trainer": 0}, "nothing else has changed"


def test_a_trial_leaves_the_learner_as_it_was(tmp_path: Path) -> None:
    setup, values = setup_of("executor=local")
    before = setup.model
    trial.choose(setup, values, tmp_path, quiet)
    assert torch.equal(setup.model, before)


def test_a_slow_first_round_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "HOPELESS", 1e-9)
    setup, values = setup_of("executor=local")
    rows = trial.choose(setup, values, tmp_path, quiet).facts["trainer_timings"]
    assert isinstance(rows, list)
    assert [len(row["seconds_client"]) for row in rows] == [2, *[1] * (len(rows) - 1)]


def test_other_trainers_stay_as_they_are(tmp_path: Path) -> None:
    values = compose([*SUPERVISED, "executor=local"])
    setup = build(Settings.of(values), quiet)
    choice = trial.choose(setup, values, tmp_path, quiet)
    assert (choice.setup, choice.values, choice.facts) == (setup, values, {})


def test_the_same_as_the_chosen_trainer_by_itself(tmp_path: Path) -> None:
    overrides = [*SUPERVISED, "clients=4"]
    outcome = run(tmp_path / "auto", [*overrides, "trainer=auto", "rounds=2"])
    facts = manifest_of(tmp_path / "auto")["facts"]
    chosen = facts["trainer_choice"]
    assert chosen in [row["trainer"] for row in facts["trainer_timings"]]
    kind = {"fedkd.trainers.Serial": "serial", "fedkd.trainers.Batched": "batched"}[chosen.pop("_target_")]
    named = [f"trainer={kind}", *(f"trainer.{name}={json.dumps(value)}" for name, value in chosen.items())]
    assert run(tmp_path / "named", [*overrides, *named, "rounds=2"]).model_sha256 == outcome.model_sha256
    again = resume(tmp_path / "auto", 3, "executor=local")
    whole = run(tmp_path / "whole", [*overrides, *named, "rounds=3"])
    assert again.model_sha256 == whole.model_sha256, "a resumed run keeps the choice"
    assert rounds_of(tmp_path / "auto") == rounds_of(tmp_path / "whole")
    assert manifest_of(tmp_path / "auto")["facts"]["trainer_timings"] == facts["trainer_timings"]


def test_processes_are_tried_as_many_at_once_as_will_train(tmp_path: Path) -> None:
    run(tmp_path, [*SUPERVISED, "clients=4", "trainer=auto", "rounds=1", "executor=processes", "executor.workers=2"])
    timings = manifest_of(tmp_path)["facts"]["trainer_timings"]
    assert {row["workers"] for row in timings} == {2}


def test_workers_on_a_gpu_are_tried_where_nobody_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = Processes("auto", "auto")
    assert choice.densities() == [choice], "without a GPU there is nothing to try"
    monkeypatch.setattr(processes, "local_devices", lambda: ("cuda:0",))
    assert [tried.workers_per_gpu for tried in choice.densities()] == list(processes.DENSITIES)  # type: ignore[attr-defined]
    for told in (replace(choice, workers=2), replace(choice, workers_per_gpu=3), Local()):
        assert told.densities() == [told]
    assert Auto("auto", "auto", server_trains=True).densities()
