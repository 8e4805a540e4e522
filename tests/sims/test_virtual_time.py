"""The study of virtual time: its numbers are those of its runs, costs are what the equation says, commands are read."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedkd.errors import ConfigurationError
from fedkd.predict.ski_rental import losses
from fedkd.records import History
from sims import options
from sims.figures import virtual_time
from sims.figures.virtual_time import QUICK, Asked
from sims.waiting import LAWS, best, costs, marks, paid, waiting

pytestmark = pytest.mark.xdist_group("virtual_time")

GUIDE = Path(__file__).parents[2] / "docs" / "virtual-time.md"
ROUNDS = st.integers(1, 4).flatmap(
    lambda cohort: st.lists(st.lists(st.floats(0, 50), min_size=cohort, max_size=cohort), min_size=1, max_size=8)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("virtual")
    virtual_time.main(["--quick", f"output={found}"])
    return found


def runs(folder: Path, pace: str) -> tuple[History, History]:
    return History.read(folder / f"MCM-{pace}-0"), History.read(folder / f"identity-{pace}-0")


def test_without_computing_a_round_is_its_bytes(folder: Path) -> None:
    """Everyone waits for the last: the message down, and the longest of those up."""
    for run in runs(folder, "0"):
        for report in run.reports:
            mean = 8e-7 * (report.bytes_down_broadcast + report.bytes_up / 4)
            assert mean <= report.virtual_seconds < 1.02 * mean


def test_the_factor_is_the_one_of_the_equation(folder: Path) -> None:
    rows = json.loads((folder / "virtual_time.json").read_text())["links"]
    assert [row["s a sample"] for row in rows] == ["0", "0.0001"]
    for row, pace in zip(rows, (0.0, 1e-4), strict=True):
        short, long = ([one.virtual_seconds for one in run.reports] for run in runs(folder, f"{pace:g}"))
        assert row["factor"] == f"{sum(long) / sum(short):.2f}"
        assert float(row["factor"]) == pytest.approx(float(row["from bytes"]), rel=0.02)
    assert float(rows[1]["factor"]) < float(rows[0]["factor"]), "computing is not compressed"


def test_training_knows_nothing_of_virtual_time(folder: Path) -> None:
    models = {History.read(folder / f"MCM-{pace}-0").manifest["model_sha256"] for pace in ("0", "0.0001")}
    assert len(models) == 1


def test_page_and_picture_are_written(folder: Path) -> None:
    page = (folder / "virtual_time.html").read_text()
    assert "best fixed threshold in hindsight" in page
    assert (folder / "virtual_time.png").read_bytes().startswith(b"\x89PNG")


@settings(max_examples=100, deadline=None, derandomize=True)
@given(ROUNDS, st.floats(0.1, 20), st.lists(st.floats(0, 60), min_size=1))
def test_costs_are_the_equation_and_the_best_is_the_least(rounds, price, tau) -> None:
    times, taus = np.array(rounds), np.array(tau)
    expected = sum(losses(arrivals, taus, price) for arrivals in times)
    assert costs(times, taus, price) == pytest.approx(expected)
    where, least = best(times, price)
    assert least <= costs(times, taus, price).min() * (1 + 1e-12)
    assert costs(times, np.array([where]), price)[0] == least


def test_who_learns_pays_no_less_than_each_rounds_best_and_comes_near_the_best_fixed() -> None:
    times = LAWS[2].draw(np.random.default_rng(0), (400, 10))
    spent = paid(times, 3.0, seed=0)
    assert all(cost >= best(arrivals[None], 3.0)[1] for cost, arrivals in zip(spent, times, strict=True))
    assert 1 <= spent.sum() / best(times, 3.0)[1] < 1.05


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_the_laws_have_their_medians(law) -> None:
    """5 sigma of a fair coin; of the bimodal one among its fast clients."""
    drawn, count = law.draw(np.random.default_rng(1), (1, 10_000)), 10_000
    if law.name == "bimodal":
        slow = int((drawn > 3.2).sum())
        assert abs(slow - 0.15 * count) < 5 * np.sqrt(0.15 * 0.85 * count)
        drawn, count = drawn[drawn < 3.2], count - slow
    assert abs(int((drawn < law.median).sum()) - count / 2) < 5 * np.sqrt(count) / 2


def test_excess_is_against_the_best_of_the_rounds_so_far() -> None:
    found = waiting(LAWS[0], 3.0, 2, rounds=40, streams=2)
    assert found.excess.shape == (2, len(marks(40)))
    assert marks(40)[-1] == 40
    times = LAWS[0].draw(np.random.default_rng(1), (40, 2))
    assert found.excess[1, -1] == paid(times, 3.0, 1).sum() / best(times, 3.0)[1] - 1
    assert (found.known >= -1e-12).all()
    assert (found.patient >= -1e-12).all()


def test_every_command_of_the_guide_is_understood() -> None:
    commands = re.findall(r"python sims/figures/virtual_time\.py([^`\n]*)", GUIDE.read_text(encoding="utf-8"))
    assert commands
    for arguments in commands:
        options.read(Asked, shlex.split(re.split(r"\s{2,}", arguments)[0]), QUICK)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("parts=waits", "parts=waits: is unknown; choose links, deadlines"),
        ("cohorts=0", "cohorts=0: is below 1; choose cohorts >= 1"),
        ("prices=", "number of prices=0: is below 1; choose number of prices >= 1"),
        ("seconds_a_sample=-1", "seconds_a_sample=-1: is below 0; choose seconds_a_sample >= 0"),
    ],
)
def test_wrong_options_are_named(given: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        options.read(Asked, [given], QUICK)
    assert str(caught.value) == message
