"""The figures of learned predictions at a size of seconds: every curve lies below its bound."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fedkd.errors import ConfigurationError
from sims.figures import predictions
from sims.predictions import errors, hosts, regrets

pytestmark = pytest.mark.xdist_group("predictions")

NEAR = 1 + 1e-9


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("predictions")
    predictions.main(["--quick", "instances=30", "repeats=1", "requests=8", f"output={found}"])
    return found


def test_what_is_learned_stays_below_best_and_bound(folder: Path) -> None:
    found = json.loads((folder / "regret.json").read_text())["regret"]
    assert list(found) == list(regrets.APPLICATIONS)
    for courses in found.values():
        assert len(courses) == 2
        for course in courses:
            assert course["counts"][-1] == 30
            assert (np.array(course["learned"]) <= np.array(course["bound"]) * NEAR).all()
            assert (np.array(course["best"]) <= np.array(course["bound"]) * NEAR).all()


def test_what_is_paid_stays_below_its_bound_at_every_error(folder: Path) -> None:
    found = json.loads((folder / "error.json").read_text())["error"]
    assert list(found) == list(errors.APPLICATIONS)
    for name, seeds in found.items():
        for line in (line for lines in seeds for line in lines):
            assert (np.array(line["paid"]) <= np.array(line["bound"]) * NEAR).all(), (name, line["name"])
            assert line["errors"][0] == 0
            assert line["errors"][-1] > 0


def test_single_instances_stay_below_their_bounds() -> None:
    """Means could hide one that does not."""
    draws = np.random.default_rng(0)
    for name, (settings, given, point) in errors.APPLICATIONS.items():
        for _ in range(40 if name != "page migration" else 2):
            for setting, error in ((setting, error) for setting in settings for error in given):
                _, paid, bound = point(setting, error, draws)
                assert paid <= bound * NEAR, (name, setting, error)


def test_exact_predictions_need_no_dual_update_and_pay_the_optimum() -> None:
    draws = np.random.default_rng(1)
    assert errors.duals(16, 0.0, draws)[:2] == (0, 0)
    away, paid, bound = errors.requests(1.0, 0.0, draws)
    assert (away, bound) == (0, 1)
    assert paid == pytest.approx(1)


def test_pages_cost_what_the_study_says(folder: Path) -> None:
    for seed in json.loads((folder / "hosts.json").read_text())["hosts"]:
        found = {(one["pattern"], one["move"]): one["costs"] for one in seed["paid"]}
        assert set(found) == {(name, move) for name in (*hosts.PATTERNS, *hosts.QUEUES) for move in (0.5, 8.0)}
        for costs in found.values():
            assert set(costs) == set(predictions.WAYS)
            assert costs["optimum"] <= min(costs.values()) + 1e-9
            assert costs["coin"] <= 3 * costs["optimum"] + 1e-9
        for move in (0.5, 8.0):
            assert found["queue, homes", move]["sticky"] == 0
            assert found["queue, no homes", move]["sticky"] > 1


def test_at_half_a_move_the_coin_is_greedy() -> None:
    asked = [np.random.default_rng(2).integers(0, hosts.HOSTS, 50)]
    costs = hosts.paid("", asked, 0.5).costs
    assert costs["coin"] == pytest.approx(costs["greedy"])


def test_a_host_that_left_trains_nobody_for_five_rounds() -> None:
    queue = hosts.Queue(np.random.default_rng(3), homes=True, lifetime=10)
    for _ in range(5):
        queue.round()
    gone = {worker for visits in queue.visits.values() for worker in visits}
    assert len(gone) == hosts.HOSTS - 1
    for _ in range(5):
        queue.round()
    assert len({worker for visits in queue.visits.values() for worker in visits}) == hosts.HOSTS


def test_pages_and_pictures_are_written(folder: Path) -> None:
    for part in ("regret", "error"):
        assert "data:image/png;base64," in (folder / f"{part}.html").read_text()
        assert (folder / f"{part}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("part=regrets", "choose regret, error, hosts"),
        ("seeds=", "seeds=0"),
        ("moves=0.1", "moves=0.1"),
        ("requests=1", "requests=1"),
    ],
)
def test_options_out_of_range_are_refused(argument: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        predictions.main([argument])
