"""A study runs each configuration once, goes on where it was stopped, and confuses no two."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedkd.compose import compose
from fedkd.errors import ConfigurationError
from fedkd.records import Console, read_manifest
from sims.plots import spread
from sims.studies import RunFailedError, Study


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "study", Console("never", quiet=True))


def test_a_finished_run_is_read_and_not_run_again(study: Study, overrides: tuple[str, ...]) -> None:
    values = compose(overrides)
    first = study.run("a/one", values)
    began = first.manifest["started"]
    again = study.run("a/one", values)
    assert again.manifest["started"] == began
    assert again.manifest["resumed"] == []
    assert [report.round for report in again.reports] == [0, 1, 2]


def test_an_interrupted_run_goes_on_to_the_same_model(
    study: Study, overrides: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = compose(overrides)
    whole = study.run("whole", values)
    from fedkd.executors.in_process import InProcess

    rounds, exchange = [], InProcess.exchange

    def interrupted(self: InProcess, *arguments: object) -> object:
        rounds.append(1)
        if len(rounds) == 2:
            raise KeyboardInterrupt
        return exchange(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(InProcess, "exchange", interrupted)
        with pytest.raises(KeyboardInterrupt):
            study.run("half", values)
    assert read_manifest(study.folder / "half")["rounds_done"] == 1
    assert study.run("half", values).manifest["model_sha256"] == whole.manifest["model_sha256"]


def test_another_configuration_under_the_same_name_is_refused(study: Study, overrides: tuple[str, ...]) -> None:
    study.run("one", compose(overrides))
    with pytest.raises(ConfigurationError, match="holds a run with another clients, seed; delete it"):
        study.run("one", compose([*overrides, "seed=5", "clients=3"]))


def test_a_run_that_diverged_is_not_run_again(study: Study, overrides: tuple[str, ...]) -> None:
    values = compose([*overrides, "solver.learning_rate=1e12", "uplink=identity", "downlink=identity"])
    with pytest.raises(RunFailedError, match="diverged") as first:
        study.run("one", values)
    with pytest.raises(RunFailedError, match="diverged") as again:
        study.run("one", values)
    assert again.value.history.manifest["started"] == first.value.history.manifest["started"]


def test_where_a_run_happens_may_change(study: Study, overrides: tuple[str, ...]) -> None:
    first = study.run("one", compose(overrides))
    again = study.run("one", compose([*overrides, "executor=processes"]))
    assert again.manifest["started"] == first.manifest["started"]


def test_spread_is_mean_and_deviation() -> None:
    assert spread([0.5, 0.7], ".2f", 100) == "60.00 ± 14.14"
    assert spread([0.013], "+.1f", 100) == "+1.3"
    assert spread([0.02, -0.02], "+.1f", 100) == "+0.0 ± 2.8"
