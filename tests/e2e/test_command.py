"""The command line from end to end: what it leaves behind, what it refuses, what it shows."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fedkd.compose import compose
from fedkd.records import read_reports
from tests.e2e.runs import ROOT, SUPERVISED, TINY, command, manifest_of, rounds_of

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("command")]

FILES = {"manifest.json", "config.yaml", "metrics.jsonl", "model.safetensors"}
FILES |= {"timeline.jsonl", "report.html"}
TINY_GROUPS = ("data.groups=2", "data.classes_per_group=2", "data.samples_per_class=20", "data.public_per_class=10")


class Page(HTMLParser):
    """Everything that a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        values = dict(attrs)
        names = ("src", "srcset", "data", "poster") + (("href",) if tag in ("link", "image", "use") else ())
        self.fetched += [value for name in names if (value := values.get(name)) is not None]

    @staticmethod
    def of(path: Path) -> Page:
        page = Page()
        page.feed(path.read_text())
        page.close()
        return page


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The main job and its two references, small."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        assert command(patch, *TINY, "experiment=main_job", f"folder={folder}", "name=main") == 0
    return folder / "main"


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders whose pages are asked for; only others are drawn, which takes longest."""
    asked: list[Path] = []

    def write(folder: Path) -> Path:
        asked.append(folder)
        return folder / "report.html"

    monkeypatch.setattr("fedkd.records.write_report", write)
    return asked


def test_a_run_folder_has_everything(done: Path) -> None:
    assert {path.name for path in done.iterdir() if path.is_file()} == FILES
    manifest = manifest_of(done)
    assert (manifest["reason"], manifest["rounds_done"], manifest["clients"]) == ("finished", 2, 4)
    assert len(manifest["model_sha256"]) == 64
    assert manifest["configuration"]["clients"] == 4


def test_the_experiment_ran_its_references(done: Path) -> None:
    reports = {name: read_reports(done / name) for name in ("", "without_distillation", "without_compression")}
    assert {len(rounds) for rounds in reports.values()} == {2}
    assert "DA" in reports[""][0].diagnostics
    assert "DA" not in reports["without_distillation"][0].diagnostics
    assert reports["without_compression"][0].bytes_up > 3 * reports[""][0].bytes_up


def test_the_report_needs_nothing_from_elsewhere(done: Path) -> None:
    page, text = Page.of(done / "report.html"), (done / "report.html").read_text()
    assert {"html", "body", "table"} <= page.tags
    assert not [item for item in page.fetched if not item.startswith(("data:", "#"))]
    assert "@import" not in text
    assert "url(http" not in text
    assert "without_compression" in text


def test_a_run_and_what_it_is_compared_with_go_on_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages: list[Path]
) -> None:
    overrides = (*SUPERVISED, "compare={other: ['seed=5']}", f"folder={tmp_path}", "name=main", "rounds=1")
    assert command(monkeypatch, *overrides) == 0
    assert command(monkeypatch, f"resume={tmp_path}/main", "rounds=2") == 0
    assert pages == [tmp_path / "main"] * 2
    for name, seed in (("", 0), ("other", 5)):
        manifest = manifest_of(tmp_path / "main" / name)
        assert (manifest["rounds_done"], manifest["facts"]["seed"]) == (2, seed)
        assert len(rounds_of(tmp_path / "main" / name)) == 2


def test_the_hierarchical_experiment_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = [item for item in SUPERVISED if not item.startswith(("data", "task"))]
    overrides = (*small, "experiment=hierarchical", *TINY_GROUPS, "partitioner=iid", f"folder={tmp_path}", "name=x")
    assert command(monkeypatch, *overrides) == 0
    assert manifest_of(tmp_path / "x")["reason"] == "finished"


def test_a_run_that_is_there_is_not_overwritten(
    done: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (done / "metrics.jsonl").read_bytes()
    assert command(monkeypatch, *TINY, f"folder={done.parent}", "name=main") == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert (done / "metrics.jsonl").read_bytes() == before


def test_a_sweep_leaves_a_folder_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages: list[Path]) -> None:
    assert command(monkeypatch, *SUPERVISED, f"folder={tmp_path}", "seed=0,1", "rounds=1", "-m") == 0
    folders = sorted(path for path in tmp_path.iterdir() if path.is_dir())
    assert [manifest_of(folder)["facts"]["seed"] for folder in folders] == [0, 1]
    assert sorted(pages) == folders


def test_runs_of_one_second_get_names_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages: list[Path]
) -> None:
    monkeypatch.setattr("fedkd.cli.strftime", lambda _: "now")
    sweep = (*SUPERVISED, f"folder={tmp_path}", "rounds=1", "uplink.operator.step=0.5,1.0", "-m")
    assert command(monkeypatch, *sweep) == 0
    names = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert names == {path.name for path in pages} == {"mcm-supervised-now-0", "mcm-supervised-now-0-2"}


def test_a_sweep_under_one_name_is_refused_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, *SUPERVISED, f"folder={tmp_path}", "name=same", "seed=0,1", "-m") == 2
    assert "2 runs of a sweep share it" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_help_names_every_group(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    groups = {path.parent.name for path in (ROOT / "configs").glob("*/*.yaml")}
    assert not [group for group in groups if f"{group}:" not in shown]
    assert "experiment=main_job" in shown
    lists = tuple(f"{group}:" for group in groups)
    assert max(len(line) for line in shown.splitlines() if not line.startswith(lists)) <= 120


def test_the_composed_configuration_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "algorithm=dore", "uplink.operator.step=0.25", "--cfg", "job") == 0
    shown = capsys.readouterr().out
    assert "name: DORE" in shown
    assert "step: 0.25" in shown


def test_help_tells_the_defaults_of_every_key() -> None:
    template = (ROOT / "configs" / "hydra" / "help" / "fedkd.yaml").read_text()
    shown = template.partition("Keys (key=value)")[2].partition("Fields of a choice")[0]
    told = dict(re.findall(r"(\w+)=(\S+)", shown))
    composed = compose([])
    values = {name: value for name, value in composed.items() if name != "compare" and not isinstance(value, dict)}
    assert told == {name: "null" if value is None else str(value) for name, value in values.items()}


def test_a_run_that_diverges_says_which_client_and_leaves_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = (*SUPERVISED, "solver.learning_rate=1e38", f"folder={tmp_path}", "name=wild")
    assert command(monkeypatch, *overrides) == 1
    said = capsys.readouterr().err
    *trace, line = said.splitlines()
    assert trace[0].startswith("Traceback")
    assert re.match(r"client \d+, round \d+: ", line)
    manifest = manifest_of(tmp_path / "wild")
    assert (manifest["reason"], manifest["message"]) == ("failed", line)
