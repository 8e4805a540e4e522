"""A sweep that is killed, or one of its runs, goes on with the same command: all is done once, to the same bits."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from random import Random

import pytest

from tests.e2e.runs import rounds_of
from tests.faults.children import children, forked, gone
from tests.sims.sweeping import models, no_page, runs_of, states, swept

pytestmark = pytest.mark.e2e

QUICK = ("algorithm=mcm,diana", "rounds=2,6", "--slice", "0.05", "--live", "2")
FULL = ("algorithm=mcm,diana", "seed=0,1", "rounds=2,4,9", "--slice", "0.05", "--live", "2")
SIZES = {QUICK: 4, FULL: 12}
PATIENCE = 90.0
HOW = {"sweep": signal.SIGKILL, "run": signal.SIGKILL, "interrupt": signal.SIGINT, "terminate": signal.SIGTERM}
KILLS = 20

Asked = tuple[str, ...]
_wholes: dict[Asked, dict[str, str]] = {}


@pytest.fixture(autouse=True)
def _no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sims.sweeps.results._page", no_page)


@pytest.fixture
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The models of a sweep that nothing happened to."""
    asked: Asked = request.param
    if asked not in _wholes:
        folder = tmp_path_factory.mktemp("whole") / "sweep"
        assert swept(folder, *asked) == 0
        _wholes[asked] = models(folder)
    assert len(_wholes[asked]) == SIZES[asked]
    return _wholes[asked]


def rounds_done(folder: Path) -> int:
    """Over all runs; the check of the folder before any work makes it and takes it away."""
    try:
        return sum(path.read_bytes().count(b"\n") for path in folder.glob("*/metrics.jsonl"))
    except FileNotFoundError:
        return 0


def until(folder: Path, rounds: int, server: int) -> None:
    """Wait until so many rounds are done, or the sweep is over."""
    latest = time.monotonic() + PATIENCE
    while rounds_done(folder) < rounds and not gone([server], 0.0):
        assert time.monotonic() < latest, f"not there after {PATIENCE:g} seconds"
        time.sleep(0.005)


def cut(folder: Path, asked: Asked, how: str, rounds: int, random: Random) -> int:
    """Start a sweep in a process of its own, and kill it, or one of its runs, or interrupt it; its exit code."""
    server = forked(lambda: swept(folder, *asked))
    try:
        until(folder, rounds, server)
    except BaseException:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
        raise
    time.sleep(random.uniform(0.0, 0.05))
    runs = children(server)
    if how == "run" and runs:
        os.kill(random.choice(runs), HOW[how])
    elif how != "run":
        os.kill(server, HOW[how])
    _, status = os.waitpid(server, 0)
    assert gone(runs, 5.0)
    return os.waitstatus_to_exitcode(status)


def goes_on(folder: Path, asked: Asked, whole: dict[str, str]) -> None:
    """The same command does what is left, and nothing else."""
    before = runs_of(folder)
    finished = {name: manifest for name, manifest in before.items() if manifest["reason"] == "finished"}
    done = {name: len(rounds_of(folder / name)) for name in before if name not in finished}
    assert swept(folder, *asked) == 0
    after = runs_of(folder)
    assert {name: after[name] for name in finished} == finished
    assert {name: after[name]["started"] for name in before} == {n: each["started"] for n, each in before.items()}
    # At most the round whose checkpoint was not complete happens again.
    assert all(after[name]["resumed"][-1]["round"] >= count - 1 for name, count in done.items())
    assert models(folder) == whole
    assert [*states(folder).values()] == ["done"] * len(whole)
    for name, manifest in after.items():
        assert [line["round"] for line in rounds_of(folder / name)] == [*range(manifest["rounds"])]
    assert not [*folder.rglob("*.tmp")]


@pytest.mark.parametrize("whole", [QUICK], indirect=True, ids=["4 runs"])
@pytest.mark.parametrize(("how", "code"), [("sweep", -signal.SIGKILL), ("run", 1), ("interrupt", 130)])
def test_a_sweep_that_was_cut_goes_on(
    how: str, code: int, whole: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    assert cut(folder, QUICK, how, 8, Random(0)) == code  # noqa: S311
    told = capfd.readouterr()
    if how == "run":
        assert "was killed by signal 9; the same command goes on with it" in told.out
    if how == "interrupt":
        assert told.err.startswith("interrupted with ")
        assert "go on with: python sims/sweep.py " in told.err
        assert {each["reason"] for each in runs_of(folder).values()} <= {"finished", "interrupted"}
    goes_on(folder, QUICK, whole)


@pytest.mark.soak
@pytest.mark.parametrize("whole", [FULL], indirect=True, ids=["12 runs"])
@pytest.mark.parametrize("trial", range(KILLS))
def test_twelve_runs_killed_anywhere(trial: int, whole: dict[str, str], tmp_path: Path) -> None:
    """Up to three times in a row."""
    random, folder = Random(trial), tmp_path / "sweep"  # noqa: S311
    for _ in range(random.choice([1, 1, 2, 3])):
        cut(folder, FULL, random.choice([*HOW]), random.randrange(60), random)
    goes_on(folder, FULL, whole)
