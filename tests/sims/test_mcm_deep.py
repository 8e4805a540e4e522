"""The figure of MCM on networks: its dither spends the quantiser's bytes, its numbers are those of its runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedkd.errors import ConfigurationError
from fedkd.records import History
from sims.figures import mcm_deep
from sims.figures.mcm_deep import QUICK, SCALED, Setting, dither, equal_step, quantiser

pytestmark = pytest.mark.xdist_group("mcm_deep")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("deep")
    chosen = ["--data", "mnist5k", "--split", "iid", "--algorithms", "SGD", "DIANA", "MCM"]
    mcm_deep.main(["--quick", "--seeds", "0", "--output", str(found), *chosen])
    return found


def test_the_table_is_what_the_runs_say(folder: Path) -> None:
    rows = json.loads((folder / "mcm_deep.json").read_text())["rows"]["mnist5k, iid"]
    assert [row["row"] for row in rows] == ["SGD", "DIANA, s = 4", "DIANA, dither", "MCM, s = 4", "MCM, dither"]
    run = History.read(folder / "mnist5k-iid" / "mcm-s=4-0")
    assert rows[3]["megabytes"] == [sum(report.bytes_total for report in run.reports) / 1e6]
    last = [report.metrics["accuracy"] for report in run.reports if report.metrics][-3:]
    assert rows[3]["accuracy"] == [pytest.approx(sum(last) / len(last))]


def test_page_and_picture_are_written(folder: Path) -> None:
    page = (folder / "mcm_deep.html").read_text()
    assert "MCM, dither" in page
    assert "data:image/png;base64," in page
    assert (folder / "mcm_deep.png").read_bytes().startswith(b"\x89PNG")


def test_both_directions_get_the_operator_where_they_compress() -> None:
    setting = Setting("mnist5k", "iid", 0, QUICK["mnist5k"])
    mcm, diana = setting.values("mcm", quantiser()), setting.values("diana", dither(2.0))
    assert mcm["uplink"]["operator"] == mcm["downlink"]["operator"] == quantiser()
    assert diana["uplink"]["operator"] == dither(2.0)
    assert diana["downlink"]["operator"]["_target_"] == "fedkd_compression.Identity"


def test_the_dither_spends_at_most_the_bytes_of_the_quantiser(folder: Path) -> None:
    setting = Setting("mnist5k", "iid", 0, QUICK["mnist5k"])
    assert 0.25 < equal_step(setting) < 64
    first = {
        name: History.read(folder / "mnist5k-iid" / f"diana-{name}-0").reports[0].bytes_up for name in ("s=4", "dither")
    }
    assert 0.85 * first["s=4"] < first["dither"] < 1.05 * first["s=4"]


def test_epochs_become_rounds() -> None:
    assert SCALED["mnist5k"].rounds == 200
    assert SCALED["fashion"].rounds == 160


def test_seeds_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="--seeds 0;1: is no list of whole numbers"):
        mcm_deep.main(["--seeds", "0;1"])


def test_epochs_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="--epochs 0: is below 1"):
        mcm_deep.main(["--quick", "--epochs", "0"])
