"""The table of federated baselines: every pair is a run that checks, and its numbers are those of its runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fedkd.compose import compose
from fedkd.configuration import Settings, check
from fedkd.errors import ConfigurationError
from fedkd.records import History
from fedkd.tasks import CoTrained, Local
from sims.figures import federated_baselines
from sims.figures.federated_baselines import LINKS, METHODS, Request, request

pytestmark = pytest.mark.xdist_group("federated_baselines")

CHOSEN = ["--methods", "KD, local, TS", "KD, local, ATS", "FedKD", "--links", "none", "MCM", "SVD"]
AGAIN = ["--methods", "KD, local, ATS", "FedKD", "--links", "none", "SVD"]
QUICK = ["--quick", "--seeds", "0", "executor=local"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("baselines")
    federated_baselines.main([*QUICK, *CHOSEN, "--output", str(found)])
    return found


def asked(*arguments: str) -> Request:
    return request([*arguments])


def test_every_method_and_every_link_is_a_configuration_that_checks_on_the_same_ground() -> None:
    everything, found, grounds = asked(), {}, []
    assert len(everything.pairs) == len(METHODS) * (len(LINKS) - 1) + 1
    tried = {(method, "none") for method in METHODS} | {("FedAvg", link) for link in LINKS if link != "SVD"}
    for method, link in [*tried, ("FedKD", "SVD")]:
        values = compose(everything.of_run(method, link, 1))
        found[method, link] = Settings.of(values)
        check(found[method, link])
        grounds.append({key: values[key] for key in ("seed", "data", "partitioner", "model", "clients", "rounds")})
    assert all(ground == grounds[0] for ground in grounds)
    assert {settings.algorithm.name for settings in found.values()} == {"SGD", "DIANA", "Artemis", "MCM", "FedKD"}
    assert found["FedAvg", "none"].teacher is None
    assert isinstance(found["KD, co-trained, TS", "none"].teacher, CoTrained)
    assert isinstance(found["KD, local, ATS", "none"].teacher, Local)


def test_the_table_is_what_the_runs_say(folder: Path) -> None:
    rows = json.loads((folder / "federated_baselines.json").read_text())["rows"]
    assert [(row["method"], row["link"]) for row in rows] == [
        *((method, link) for link in ("none", "MCM") for method in ("KD, local, TS", "KD, local, ATS", "FedKD")),
        ("FedKD", "SVD"),
    ]
    run = History.read(folder / "kd__local__ats" / "mcm-0")
    (row,) = (each for each in rows if (each["method"], each["link"]) == ("KD, local, ATS", "MCM"))
    assert row["megabits_up"] == [8e-6 * sum(report.bytes_up for report in run.reports)]
    assert row["accuracy"] == [
        pytest.approx(sum(report.metrics["accuracy"] for report in run.reports) / len(run.reports))
    ]
    assert row["model_sha256"] == [run.manifest["model_sha256"]]


def test_lent_teachers_give_the_bits_of_teachers_of_their_own(folder: Path, tmp_path: Path) -> None:
    options = ["--methods", "KD, local, ATS", "--links", "none", "--output", str(tmp_path)]
    federated_baselines.main([*QUICK, *options])
    (alone,) = json.loads((tmp_path / "federated_baselines.json").read_text())["rows"]
    lent = History.read(folder / "kd__local__ats" / "none-0")
    assert alone["model_sha256"] == [lent.manifest["model_sha256"]]
    assert len(list((folder / "local_teachers").iterdir())) == 1, "one set for both methods and both links"


def test_what_is_finished_is_not_run_again(folder: Path, tmp_path: Path) -> None:
    there = shutil.copytree(folder, tmp_path / "there")
    before = {path: path.stat().st_mtime_ns for path in there.glob("*/*/manifest.json")}
    assert len(before) == 7
    federated_baselines.main([*QUICK, *AGAIN, "--output", str(there)])
    assert {*before} == {*there.glob("*/*/manifest.json")}
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_page_and_picture_are_written(folder: Path) -> None:
    page = (folder / "federated_baselines.html").read_text()
    assert "KD, local, ATS" in page
    assert "data:image/png;base64," in page
    assert (folder / "federated_baselines.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seeds", "0;1"], "--seeds 0;1: is no list of whole numbers"),
        (["rounds"], "rounds: is no override; write key=value"),
        (["--methods", "FedAvg", "--links", "SVD"], "--links SVD: serve none of these methods"),
    ],
)
def test_a_command_that_is_wrong_is_one_line(arguments: list[str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        request(arguments)
