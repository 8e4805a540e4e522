"""A sweep runs each configuration once, in slices, refuses what cannot work before it begins, and says what failed."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from fedkd.compose import compose
from fedkd.configuration import Settings
from fedkd.errors import ConfigurationError, StorageError
from fedkd.job import Job, execute
from fedkd.records import Console, read_manifest
from sims.sweep import main
from sims.sweeps.conductor import Conductor
from sims.sweeps.ledger import alone
from sims.sweeps.plan import planned
from tests.e2e.runs import rounds_of
from tests.sims.sweeping import BASE, models, no_page, runs_of, states, swept

FAST = pytest.mark.usefixtures("no_report")
DIVERGES = ("uplink=identity", "downlink=identity", "solver.learning_rate=0.02,1e12")


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sims.sweeps.results._page", no_page)


def job(folder: Path, rounds: int, goes_on: object, *more: str) -> Job:
    resumed = any(item.startswith("resume=") for item in more)
    values = compose([*(() if resumed else BASE), f"rounds={rounds}", *more])
    quiet = Console("never", quiet=True)
    return Job(Settings.of({**values}), folder, values, [], quiet, goes_on)  # type: ignore[arg-type]


def test_a_run_is_asked_at_every_checkpoint_but_the_last(tmp_path: Path) -> None:
    asked: list[int] = []
    outcome = execute(job(tmp_path, 5, lambda round_: asked.append(round_) is None, "checkpoint_every=2"))
    assert (outcome.reason, asked) == ("finished", [2, 4])
    asked.clear()
    execute(job(tmp_path / "even", 4, lambda round_: asked.append(round_) is None, "checkpoint_every=2"))
    assert asked == [2]


def test_a_run_that_is_told_to_leave_goes_on_to_the_same_model(tmp_path: Path) -> None:
    whole = execute(job(tmp_path / "whole", 3, None))
    left = execute(job(tmp_path / "left", 3, lambda round_: round_ < 2))
    assert (left.reason, left.rounds, left.code) == ("interrupted", 2, 130)
    assert "continue with resume=" in left.message
    again = execute(job(tmp_path / "left", 3, None, f"resume={tmp_path / 'left'}"))
    assert again.model_sha256 == whole.model_sha256
    assert rounds_of(tmp_path / "left") == rounds_of(tmp_path / "whole")


def test_folders_are_named_by_what_varies(tmp_path: Path) -> None:
    plans = planned([*BASE, "algorithm=mcm,diana", "seed=0,1", "rounds=2"], tmp_path)
    assert [plan.name for plan in plans] == ["mcm seed=0", "mcm seed=1", "diana seed=0", "diana seed=1"]
    assert [plan.label for plan in plans] == ["mcm", "mcm", "diana", "diana"]
    for plan in plans:
        assert re.fullmatch(r"algorithm-(mcm|diana)_seed-[01]_[0-9a-f]{8}", plan.folder.name)
        assert plan.folder.name.endswith(plan.sha256[:8])


def test_where_a_run_happens_leaves_its_hash(tmp_path: Path) -> None:
    (one,) = planned([*BASE, "rounds=2"], tmp_path)
    (other,) = planned([*BASE, "rounds=2", "executor=processes", "recorder=console"], tmp_path)
    (third,) = planned([*BASE, "rounds=3"], tmp_path)
    assert one.sha256 == other.sha256 != third.sha256


def test_the_default_folder_follows_from_the_overrides() -> None:
    first, same, other = (
        planned([*BASE, *more], None)[0].folder.parent
        for more in (("seed=0,1", "rounds=2"), ("rounds=2", "seed=0,1"), ("seed=0,2", "rounds=2"))
    )
    assert first == same != other
    assert re.fullmatch(r"runs/sweeps/seed_[0-9a-f]{8}", str(first))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("checkpoint_every=0",), "checkpoint_every=0: a run without checkpoints cannot wait; choose >= 1"),
        (("executor=flower_in_process",), "executor: FlowerInProcess's clients lose their memories"),
        (("name=one",), "name=one: a sweep names its runs' folders itself"),
        (("+resume=runs/one",), "a sweep names its runs' folders itself"),
        (("executor=local,processes",), "processes and local: are the same run"),
        (("seed=0,1,-1",), "seed=-1: seed=-1 is below 0"),
        (("seed=0", "no_such_key=1,2"), "no_such_key"),
        (("--lambda", "1.5"), "--lambda 1.5: is not in"),
        (("--workers", "0"), "--workers 0: is below 1"),
        (("--workers", "3", "--live", "2"), "--live 2: is below --workers 3"),
        (("--slice", "-1"), "--slice -1: is negative"),
        (("--replay", "nowhere"), "--replay nowhere: holds no lengths"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_runs(
    tmp_path: Path, overrides: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        main([*BASE, *overrides, "--output", str(tmp_path / "sweep")])
    assert not (tmp_path / "sweep").exists()


@FAST
def test_every_switch_is_at_a_checkpoint_and_leaves_no_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Slices of no length: after each round the run leaves its process, or waits in it."""
    asked = ("algorithm=mcm,diana", "rounds=3")
    assert swept(tmp_path / "one" / "whole", *asked, "--slice", "1000") == 0
    assert swept(tmp_path / "two" / "cut", *asked, "--slice", "0", "--live", "1", "--lambda", "0") == 0
    assert swept(tmp_path / "three" / "waits", *asked, "--slice", "0", "--live", "4", "--lambda", "0") == 0
    assert (
        models(tmp_path / "one" / "whole") == models(tmp_path / "two" / "cut") == models(tmp_path / "three" / "waits")
    )
    resumed = {name: len(each["resumed"]) for name, each in runs_of(tmp_path / "two" / "cut").items()}
    assert sum(resumed.values()) >= 1
    assert not any(each["resumed"] for each in runs_of(tmp_path / "three" / "waits").values())
    assert capsys.readouterr().out.count(": begins") == 6


@FAST
def test_two_at_a_time(tmp_path: Path) -> None:
    assert swept(tmp_path / "sweep", "seed=0,1,2", "rounds=2", "--workers", "2", "--slice", "0") == 0
    assert [*states(tmp_path / "sweep").values()] == ["done"] * 3


@FAST
def test_what_is_done_is_skipped_also_when_the_sweep_grows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert swept(tmp_path / "sweep", "seed=0,1", "rounds=2") == 0
    before = runs_of(tmp_path / "sweep")
    assert swept(tmp_path / "sweep", "seed=0,1,2", "rounds=2", "algorithm=mcm") == 0
    after = runs_of(tmp_path / "sweep")
    assert len(after) == 3
    assert before == {name: after[name] for name in before}
    out = capsys.readouterr().out
    assert (out.count(": begins"), out.count(": goes on")) == (3, 0)


@FAST
def test_one_that_fails_hinders_no_other_and_is_not_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert swept(tmp_path / "sweep", *DIVERGES, "rounds=2") == 1
    assert sorted(states(tmp_path / "sweep").values()) == ["done", "failed"]
    out = capsys.readouterr().out
    assert "learning_rate=1000000000000.0: failed: " in out
    assert "failed: learning_rate=1000000000000.0" in out
    before = runs_of(tmp_path / "sweep")
    assert swept(tmp_path / "sweep", *DIVERGES, "rounds=2") == 1
    assert runs_of(tmp_path / "sweep") == before
    assert "begins" not in capsys.readouterr().out
    assert swept(tmp_path / "sweep", *DIVERGES, "rounds=2", "--again") == 1
    assert "learning_rate=1000000000000.0: goes on" in capsys.readouterr().out


@FAST
def test_two_sweeps_do_not_work_in_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sims.sweeps.ledger.PATIENCE", 0.1)
    with alone(tmp_path / "sweep"):
        assert swept(tmp_path / "sweep", "seed=0,1", "rounds=2") == 2
    told = capsys.readouterr().err
    assert told == f"configuration: {tmp_path}/sweep: another sweep works on it; wait, or choose another --output\n"
    assert not runs_of(tmp_path / "sweep")


@FAST
def test_a_full_disk_ends_all_runs_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep's own file cannot be written from its third change on, when two runs wait in memory."""
    written: list[object] = []

    def keep(conductor: Conductor, *_: object) -> None:
        written.append(conductor)
        if len(written) >= 3:
            raise StorageError("sweep.json: cannot be written (No space left on device); free some space")

    with monkeypatch.context() as patch:
        patch.setattr("sims.sweeps.ledger.keep", keep)
        assert swept(tmp_path / "sweep", "seed=0,1,2", "rounds=9", "--slice", "0", "--lambda", "0") == 74
    assert {each["reason"] for each in runs_of(tmp_path / "sweep").values()} <= {"interrupted", "finished"}
    assert swept(tmp_path / "sweep", "seed=0,1,2", "rounds=9") == 0


@FAST
def test_a_folder_that_holds_another_run_is_not_touched(tmp_path: Path) -> None:
    assert swept(tmp_path / "sweep", "seed=0,1", "rounds=2") == 0
    one, other = sorted(path.parent for path in (tmp_path / "sweep").glob("*/manifest.json"))
    (one / "manifest.json").write_text((other / "manifest.json").read_text())
    assert swept(tmp_path / "sweep", "seed=0,1", "rounds=2") == 2
    assert read_manifest(one) == read_manifest(other)


def test_the_results_are_means_over_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert swept(tmp_path / "sweep", "algorithm=mcm,diana", "seed=0,1", "rounds=2") == 0
    runs = list(csv.DictReader((tmp_path / "sweep" / "results.csv").read_text().splitlines()))
    assert [(run["algorithm"], run["seed"], run["state"]) for run in runs] == [
        ("mcm", "0", "done"),
        ("mcm", "1", "done"),
        ("diana", "0", "done"),
        ("diana", "1", "done"),
    ]
    found = json.loads((tmp_path / "sweep" / "results.json").read_text())["configurations"]
    assert [each["configuration"] for each in found] == ["mcm", "diana"]
    values = [float(run["value"]) for run in runs[:2]]
    assert found[0]["value"]["mean"] == pytest.approx(sum(values) / 2)
    assert found[0]["value"]["deviation"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    assert found[0]["bits_up"]["mean"] == pytest.approx(sum(int(run["bits_up"]) for run in runs[:2]) / 2)
    page = (tmp_path / "sweep" / "report.html").read_text()
    assert page.count("<figure>") == 1
    assert "var(--series-1)" in page
    assert "±" in capsys.readouterr().out
    assert not re.search(r"(src|href)=\"(https?:)?//", page)
