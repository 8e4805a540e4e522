"""A command that is told to end does so at once, in order, and its run can be resumed to the same bits."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import fedkd.job
from fedkd.signals import SECONDS_TOGETHER
from tests.e2e.runs import SUPERVISED, command, manifest_of, resume, rounds_of, run
from tests.faults.children import children, forked, gone
from tests.faults.trainers import held

pytestmark = pytest.mark.e2e

ROUNDS, REACHED = 3, 1
ALONE = (*SUPERVISED, "algorithm=rand_mcm", f"rounds={ROUNDS}")
WORKERS = 2
PROCESSES = ("executor=processes", f"executor.workers={WORKERS}")
SOON, PATIENCE = 6.0, 90.0
"""Seconds, on a machine that does much else, in which a command ends, and until it has done some rounds."""
PLACES = [pytest.param((), id="local"), pytest.param(PROCESSES, id="processes")]
SIGNALS = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
TWICE = "interrupted twice, ended at once\n"


@dataclass(frozen=True)
class Cut:
    """A command in a process of its own whose second round would take minutes."""

    server: int
    folder: Path
    workers: list[int]

    def ends(self) -> tuple[int, float]:
        """Exit code, and the seconds until then; nobody of it is left."""
        began = time.monotonic()
        _, status = os.waitpid(self.server, 0)
        assert gone(self.workers, SOON)
        return os.waitstatus_to_exitcode(status), time.monotonic() - began

    def goes_on_to(self, whole: Path) -> None:
        """Resumed, it gives what a run gives that nothing happened to."""
        (self.folder.parent / "hold").unlink()
        assert resume(self.folder, ROUNDS).model_sha256 == manifest_of(whole)["model_sha256"]
        assert rounds_of(self.folder) == rounds_of(whole)


Start = Callable[..., Cut]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole")
    run(folder, ALONE)
    return folder


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Starts one, and waits until it is in the middle of its clients."""

    def started(*executor: str) -> Cut:
        hold = held(REACHED, tmp_path / "hold")
        server = forked(lambda: command(monkeypatch, *ALONE, *executor, *hold, f"folder={tmp_path}", "name=cut"))
        _reached(tmp_path / "cut" / "metrics.jsonl", lambda file: file.read_bytes().count(b"\n") == REACHED)
        time.sleep(0.3)
        return Cut(server, tmp_path / "cut", children(server))

    return started


def _reached(file: Path, so: Callable[[Path], bool]) -> None:
    latest = time.monotonic() + PATIENCE
    while not (file.exists() and so(file)):
        assert time.monotonic() < latest, f"not there after {PATIENCE:g} seconds"
        time.sleep(0.02)


@pytest.mark.sampled(2)
@SIGNALS
@pytest.mark.parametrize("executor", PLACES)
def test_a_signal_ends_a_run_in_the_middle_of_its_clients(
    executor: tuple[str, ...],
    number: signal.Signals,
    code: int,
    start: Start,
    whole: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """As terminals and time limits do it: every process of the group hears it, and the server hears it twice."""
    cut = start(*executor)
    assert len(cut.workers) == (WORKERS if executor else 0)
    os.killpg(cut.server, number)
    time.sleep(SECONDS_TOGETHER / 10)
    os.kill(cut.server, number)
    ended, seconds = cut.ends()
    assert (ended, seconds < SOON) == (code, True)
    assert capfd.readouterr() == ("", f"interrupted after round {REACHED}; continue with resume={cut.folder}\n")
    manifest = manifest_of(cut.folder)
    assert (manifest["reason"], manifest["rounds_done"]) == ("interrupted", REACHED)
    assert {path.name for path in cut.folder.iterdir()} >= {"checkpoints", "model.safetensors"}
    assert not list(cut.folder.rglob("*.tmp"))
    cut.goes_on_to(whole)


def test_a_second_signal_ends_it_at_once(
    start: Start,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Here the model takes very long to write."""

    def slow(*_: object) -> str:
        (tmp_path / "saving").touch()
        time.sleep(PATIENCE)
        return ""

    with monkeypatch.context() as patch:
        patch.setattr(fedkd.job, "save_model", slow)
        cut = start(*PROCESSES)
    os.kill(cut.server, signal.SIGTERM)
    _reached(tmp_path / "saving", lambda _: True)
    time.sleep(2 * SECONDS_TOGETHER)
    os.kill(cut.server, signal.SIGTERM)
    ended, seconds = cut.ends()
    assert (ended, seconds < SOON) == (143, True)
    assert capfd.readouterr() == ("", TWICE)
    assert manifest_of(cut.folder)["reason"] == "running"
    cut.goes_on_to(whole)


def test_before_there_is_a_run_there_is_nothing_to_continue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def slow(*_: object) -> None:
        (tmp_path / "building").touch()
        time.sleep(PATIENCE)

    monkeypatch.setattr(fedkd.job, "build", slow)
    server = forked(lambda: command(monkeypatch, *ALONE, f"folder={tmp_path}", "name=cut"))
    _reached(tmp_path / "building", lambda _: True)
    os.kill(server, signal.SIGTERM)
    assert Cut(server, tmp_path / "cut", []).ends()[0] == 143
    assert capfd.readouterr() == ("", "interrupted\n")
    assert not (tmp_path / "cut").exists()
