"""serve: what the run configuration of a ServerApp leads to, over a Grid in this process."""

from __future__ import annotations

import shlex
import threading
from pathlib import Path

import pytest
from flwr.app import Context, RecordDict

from fedkd.compose import compose
from fedkd.errors import ConfigurationError
from fedkd.flower.grid import RUN_ID, DirectGrid
from fedkd.flower.in_process import client_app
from fedkd.flower.job_file import JobFile
from fedkd.flower.seat import seat
from fedkd.flower.server import serve
from fedkd.flower.simulation.follower import follow
from fedkd.flower.simulation.listener import Listener
from tests.e2e.runs import SUPERVISED, manifest_of, run
from tests.flower.heard import Heard

CHOSEN = (*(item for item in SUPERVISED if item != "executor=local"), "executor=flower")


def context(config: str = "", overrides: str = "") -> Context:
    return Context(RUN_ID, 0, {}, RecordDict(), {"config": config, "overrides": overrides})


def nodes() -> DirectGrid:
    return DirectGrid(client_app(), 4)


def test_a_launched_job_speaks_over_the_relay_and_leaves_the_folder_of_any_run(tmp_path: Path) -> None:
    values, heard = compose(CHOSEN), Heard()
    order, folder = tmp_path / "job.json", tmp_path / "flower"
    JobFile(values, str(folder), CHOSEN, str(tmp_path / "relay")).write(order)
    with Listener(tmp_path / "relay") as listener:
        server = threading.Thread(target=serve, args=(nodes(), context(config=str(order))))
        server.start()
        outcome = follow(listener, heard, lambda: None)
        server.join()
    manifest = manifest_of(folder)
    assert outcome.reason == manifest["reason"] == "finished"
    assert outcome.model_sha256 == manifest["model_sha256"] == run(tmp_path / "local", SUPERVISED).model_sha256
    assert manifest["configuration"] == values
    assert manifest["facts"]["overrides"] == list(CHOSEN)
    assert [name for name, _ in heard.calls][-5:] == ["workers", "start", "record", "record", "finish"]


def test_overrides_are_composed_here_and_the_executor_is_flowers(tmp_path: Path) -> None:
    chosen = [item for item in CHOSEN if not item.startswith("executor=")]
    serve(nodes(), context(overrides=shlex.join([*chosen, f"folder={tmp_path}", "name=here"])))
    manifest = manifest_of(tmp_path / "here")
    assert manifest["reason"] == "finished"
    assert manifest["configuration"]["executor"]["_target_"] == "fedkd.flower.choice.Flower"
    assert (tmp_path / "here" / "report.html").is_file()
    assert seat.get() is None


def test_a_wrong_configuration_is_one_line_and_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="did you mean rounds"):
        serve(nodes(), context(overrides=f"folder={tmp_path} rouns=3"))
    assert not list(tmp_path.iterdir())


def test_a_run_that_failed_fails_the_server_app(tmp_path: Path) -> None:
    grid = DirectGrid(client_app(), 3)
    overrides = [*CHOSEN, f"folder={tmp_path}", "executor.startup=0.1"]
    with pytest.raises(Exception, match="3 of 4 nodes"):
        serve(grid, context(overrides=shlex.join(overrides)))
