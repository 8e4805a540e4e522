"""Recorded updates: what the uplink's operator is given, without a change to the run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fedkd.build import build
from fedkd.clients import Memory
from fedkd.compose import compose
from fedkd.configuration import Settings
from fedkd.errors import ConfigurationError
from fedkd.executors import Local
from fedkd.federation import run
from fedkd_compression import Key, SubtractiveDither, compress
from sims.record_updates import Moment, Recorded, Shelf, main, record

SMALL = ("data.samples=100", "data.public=200", "model.hidden=[4]", "task=supervised", "teacher=none")


@pytest.fixture
def settings(overrides: tuple[str, ...]) -> Settings:
    return Settings.of(compose([*(item for item in overrides if "teacher" not in item), *SMALL, "rounds=2"]))


def test_the_first_update_is_recorded_as_it_is_and_the_next_without_the_memory(settings: Settings) -> None:
    moments = [Moment(0, 1), Moment(1, 1)]
    (first, second), setup, federation = record(settings, moments)
    link, dim = setup.algorithm.uplink.link, len(setup.model)
    assert first.shape == second.shape == (dim,)
    worker = federation.executor.workers[0]
    change = [
        compress(link.operator, vector[None], Key.of(settings.seed, "uplink", *moment))[1][0]
        for vector, moment in zip((first, second), moments, strict=True)
    ]
    # h_2 = rate (C(x_1) + C(x_2 - h_1)) is what the client remembers.
    expected = (change[0] * link.rate).add(change[1], alpha=link.rate)
    assert torch.equal(worker.store.before(1, 2).uplink, expected)


def test_the_run_is_the_same_as_without_a_recorder(settings: Settings) -> None:
    _, _, recorded = record(settings, [Moment(1, 0)])
    plain = build(replace(settings, executor=Local(), store=Memory()), lambda _: None)
    federation = plain.open(Path(), {})
    for _ in run(federation, plain.algorithm.start(plain.model), 2):
        pass
    stores = [each.executor.workers[0].store for each in (recorded, federation)]
    for client in range(settings.clients):
        assert torch.equal(*(store.before(client, 2).uplink for store in stores))


def test_a_recorded_operator_is_the_operator() -> None:
    shelf = Shelf({Key.of(0).rows[0]: Moment(0, 0)})
    plain, rows, key = SubtractiveDither(step=1.0), torch.randn(2, 300), Key((Key.of(0).rows[0], 5))
    recorded = Recorded(plain, shelf)
    assert torch.equal(compress(recorded, rows, key)[1], compress(plain, rows, key)[1])
    assert list(shelf.found) == [Moment(0, 0)]
    assert torch.equal(shelf.found[Moment(0, 0)], rows[0])
    assert (recorded.traits, recorded.omega(9), recorded.delta(9)) == (plain.traits, plain.omega(9), plain.delta(9))


def test_a_client_that_takes_no_part_is_refused(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="round 0: nothing of client 99"):
        record(settings, [Moment(0, 99)])


def test_the_files_can_be_read_without_pickle(overrides: tuple[str, ...], tmp_path: Path) -> None:
    output = tmp_path / "updates.npz"
    chosen = [*(item for item in overrides if "teacher" not in item), *SMALL]
    main([*chosen, "--rounds", "0,1", "--clients", "2,0", "--output", str(output)])
    with np.load(output, allow_pickle=False) as held:
        assert held.files == ["updates"]
        updates = held["updates"]
    origin = json.loads(output.with_suffix(".json").read_text())
    assert updates.dtype == np.float32
    assert origin["vectors"] == [{"round": 0, "client": 2}, {"round": 1, "client": 0}]
    assert (origin["data"], origin["clients"], origin["overrides"]) == ("digits", 4, chosen)
    assert "Recorded" not in origin["uplink"]
    assert len(origin["data_sha256"]) == 64


def test_rounds_and_clients_are_pairs() -> None:
    with pytest.raises(ConfigurationError, match="--rounds has 2 numbers, --clients 1; pair them"):
        main(["--rounds", "1,2", "--clients", "0"])
