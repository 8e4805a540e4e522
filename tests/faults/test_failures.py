"""A client, or a teacher, that fails in a process of its own ends the run at once, and is told of once."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from tests.e2e.runs import SUPERVISED, TINY, command, manifest_of, run
from tests.faults.children import children
from tests.faults.trainers import PAUSE, faulty

pytestmark = pytest.mark.e2e

SEVERAL = ("executor=processes", "executor.workers=2")


def test_a_client_that_fails_ends_the_run_with_one_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    overrides = (*SUPERVISED, *SEVERAL, *faulty("raises", 1, 2), f"folder={tmp_path}", "name=x")
    assert command(monkeypatch, *overrides) == 1
    said = capfd.readouterr().err.removesuffix("\n")
    trace, _, line = said.rpartition("\n")
    assert re.fullmatch(r"client 2, round 1, worker [01] on \S+ \(cpu\): ValueError: this sample cannot be read", line)
    assert (trace.startswith("Traceback"), said.count("Traceback"), trace.count("in _raises\n")) == (True, 1, 1)
    manifest = manifest_of(tmp_path / "x")
    assert (manifest["reason"], manifest["rounds_done"], manifest["message"]) == ("failed", 1, line)
    assert not children(os.getpid())


@pytest.mark.parametrize(("fault", "said"), [("leaves", "SystemExit: 0"), ("interrupts", "KeyboardInterrupt: ")])
def test_whatever_ends_a_client_is_its_failure(
    fault: str, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = run(tmp_path, [*SUPERVISED, *SEVERAL, *faulty(fault, 1, 2)])
    assert (outcome.reason, outcome.rounds) == ("failed", 1)
    assert re.fullmatch(r"client 2, round 1, worker [01] on \S+ \(cpu\): " + said, outcome.message)
    assert (outcome.trace.count("Traceback"), capfd.readouterr().err) == (1, "")
    assert not children(os.getpid())


def test_nobody_waits_for_the_other_clients(tmp_path: Path) -> None:
    began = time.perf_counter()
    several = ("clients=3", "executor=processes", "executor.workers=3")
    outcome = run(tmp_path, [*SUPERVISED, *several, *faulty("raises", 0, 2, others_wait=True)])
    assert (outcome.reason, outcome.rounds) == ("failed", 0)
    assert time.perf_counter() - began < PAUSE / 2, "about two seconds"
    assert not children(os.getpid())


def test_a_client_that_leaves_fails_in_this_process_too(tmp_path: Path) -> None:
    outcome = run(tmp_path, [*SUPERVISED, *faulty("leaves", 1, 2)])
    assert (outcome.reason, outcome.message) == ("failed", "client 2, round 1: SystemExit: 0")


def test_a_teacher_that_diverges_aside_is_a_wrong_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    wild = ("teacher.learning_rate=1e30", "teacher.batch_size=10")
    assert command(monkeypatch, *TINY, *wild, *SEVERAL, f"folder={tmp_path}", "name=x") == 2
    assert re.fullmatch(r"configuration: Pretrained: .*diverged.*; [^\n]+\n", capfd.readouterr().err)
    assert not children(os.getpid())
