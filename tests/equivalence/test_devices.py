"""A worker on a GPU gives the CPU's result to tolerance; on another CPU worker, to the bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fedkd.build import build
from fedkd.clients import Memory
from fedkd.executors import InProcess
from fedkd.executors.placement import local_devices
from fedkd.federation import run
from tests.e2e.runs import SUPERVISED, TEACHER, TINY, settings_of

DEVICES = ["cpu", *local_devices()]
RUNS = {
    "supervised": SUPERVISED,
    "distillation": TINY,
    "local teachers": (*TINY[: -len(TEACHER)], "teacher=local", *TEACHER),
    "global teacher": (*TINY[: -len(TEACHER)], "teacher=global_model"),
    "co-trained teacher": (*TINY[: -len(TEACHER)], "experiment=fedkd", *TEACHER[-3:]),
    "past models": (*TINY[: -len(TEACHER)], "experiment=fedgkd"),
    "class logits": (*TINY[: -len(TEACHER)], "experiment=feddistill"),
    "cnn": (*SUPERVISED[:-2], "task=supervised", "model=cnn"),
}


def final(overrides: tuple[str, ...], device: str, folder: Path) -> tuple[torch.Tensor, dict[str, float]]:
    """The model after three rounds and what was measured of it, on one device."""
    settings = replace(settings_of([*overrides, "rounds=3"]), store=Memory())
    setup = build(settings, lambda _: None)
    executor = InProcess([setup.worker(device, folder)], device)
    whole = replace(setup.open(folder, {}), executor=executor)
    *_, (state, report) = run(whole, setup.algorithm.start(setup.model), 3)
    return state.model, report.metrics


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", RUNS)
def test_uncompressed_models_agree(name: str, device: str, tmp_path: Path) -> None:
    overrides = (*RUNS[name], "algorithm=sgd")
    here, _ = final(overrides, "cpu", tmp_path / "cpu")
    there, _ = final(overrides, device, tmp_path / "there")
    if device == "cpu":
        assert torch.equal(here, there)
    torch.testing.assert_close(there, here, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("device", DEVICES)
def test_compressed_runs_agree_in_what_they_reach(device: str, tmp_path: Path) -> None:
    """A rounding may fall to the other side, so coordinates differ by a step; the quality does not."""
    _, here = final(TINY, "cpu", tmp_path / "cpu")
    _, there = final(TINY, device, tmp_path / "there")
    assert there["loss"] == pytest.approx(here["loss"], rel=0.02)
