"""The world that Flower and Ray see: a home of their own, and no network."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from flwr.cli.build import build_fab_from_disk
from flwr.cli.config_utils import get_fab_metadata, load_and_validate
from flwr.common.config import get_fab_config

from fedkd.flower.simulation.environment import LONGEST, application, environment, short_folder

HOME, APP = Path("/home/of/run"), Path("/app")


def test_everything_is_written_to_the_home_of_this_run() -> None:
    seen = environment(HOME, APP, {"FLWR_HOME": "/mine", "LANG": "C"})
    assert (seen["FLWR_HOME"], seen["RAY_TMPDIR"]) == ("/home/of/run", "/home/of/run")
    assert seen["LANG"] == "C"


def test_nothing_reaches_the_network_whatever_the_user_has_set() -> None:
    outer = {"FLWR_TELEMETRY_ENABLED": "1", "RAY_USAGE_STATS_ENABLED": "1", "FLWR_DISABLE_UPDATE_CHECK": "0"}
    seen = environment(HOME, APP, outer)
    assert seen["FLWR_TELEMETRY_ENABLED"] == seen["RAY_USAGE_STATS_ENABLED"] == "0"
    assert seen["FLWR_DISABLE_UPDATE_CHECK"] == seen["FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION"] == "1"


def test_a_proxy_is_not_asked_for_this_machine() -> None:
    seen = environment(HOME, APP, {"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "example.org"})
    assert seen["NO_PROXY"] == "127.0.0.1,example.org"
    assert seen["no_proxy"] == "127.0.0.1"


def test_commands_are_those_of_this_python_and_actors_find_the_app() -> None:
    seen = environment(HOME, APP, {"PATH": "/bin", "PYTHONPATH": "/lib"})
    assert seen["PATH"].split(os.pathsep) == [str(Path(sys.executable).parent), "/bin"]
    assert seen["PYTHONPATH"].split(os.pathsep) == ["/app", "/lib"]
    assert environment(HOME, APP, {})["PYTHONPATH"] == "/app"


def test_ray_listens_on_this_machine_alone_unless_there_is_a_cluster() -> None:
    assert environment(HOME, APP, {})["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
    assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" not in environment(HOME, APP, {"RAY_ADDRESS": "10.0.0.1:6379"})


@pytest.mark.parametrize("usual", ["/t", "/var/folders/a/very/long/path/to/temporary/files"])
def test_ray_can_open_its_sockets_in_the_home(usual: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: usual)
    session = "/ray/session_2026-11-28_17-03-12_123456_4194304/sockets/plasma_store"
    assert len(short_folder() + "/fedkd-12345678") <= LONGEST
    assert LONGEST + len(session) <= 107


@pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")
def test_the_app_is_thin_and_valid() -> None:
    app = application()
    config, warnings = load_and_validate(app / "pyproject.toml")
    assert not warnings
    assert config["project"]["dependencies"] == []
    bundle = build_fab_from_disk(app)
    assert get_fab_metadata(bundle) == ("fedkd/fedkd-app", "1.0.0")
    assert get_fab_config(bundle)["tool"]["flwr"]["app"]["config"] == {"config": "", "overrides": ""}
    assert len(bundle) < 20_000
