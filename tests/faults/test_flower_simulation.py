"""Clients that fail in a Flower simulation are named, the run goes on, and both ends of every link are equal again."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

import pytest
import torch
from flwr.app import ConfigRecord, RecordDict

from fedkd.flower.memories import ABOUT, MEMORIES, Keeper
from tests.e2e.runs import ROOT, SUPERVISED, kept, rounds_of, run
from tests.faults.trainers import troubled

pytestmark = [pytest.mark.flower, pytest.mark.slow]

TIMEOUT = 12.0
"""Seconds: a process that died is there again within them, and a client that sleeps is not."""
CHOSEN = [item for item in SUPERVISED if not item.startswith(("executor=", "rounds="))]
FLOWER = ["executor=flower", f"executor.timeout={TIMEOUT}", "admission=drop", "admission.quorum=0.25"]
TROUBLES = [("raises", 1, 2), ("dies", 2, 1), ("sleeps", 4, 3)]
ROUNDS = 9


def test_the_run_goes_on_without_clients_that_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception; a process that ends; a reply that comes after the time-out, while the next message is run."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'compression'}")
    outcome = run(tmp_path, [*CHOSEN, *FLOWER, f"rounds={ROUNDS}", *troubled(*TROUBLES)])
    assert (outcome.reason, outcome.rounds) == ("finished", ROUNDS)
    lines = rounds_of(tmp_path)
    missing = {line["round"]: line["missing"] for line in lines if line["missing"]}
    assert "this sample cannot be read" in missing[1]["2"]
    assert "1" in missing[2]
    assert missing[4]["3"] == f"no reply within {TIMEOUT:g} s"
    assert max(missing) < ROUNDS - 1, "in the end everybody is there"
    for before, after in itertools.pairwise(lines):
        said = re.compile("has lost|an update against")
        lost = [int(client) for client, why in before["missing"].items() if said.search(why)]
        assert after["restarted"] == sorted(lost)
    check_ends(tmp_path)


def check_ends(folder: Path) -> None:
    """The file of a client's version holds what the server takes it to hold."""
    state = kept(folder).server
    (memories,) = (folder / "clients").glob("flower-*")
    for client, version in state.uplink.taken.items():
        about = ConfigRecord({MEMORIES: f"{client:06d}/{version}"})
        held = Keeper(RecordDict({ABOUT: about}), client, memories).load(state.model, task=0)
        assert torch.equal(held.client.uplink, state.uplink.own[client])
        assert torch.equal(held.receiver.memory, state.downlink.memory)
        assert held.receiver.version == state.downlink.version
