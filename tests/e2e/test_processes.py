"""What only a process of its own can show: exit codes, one line on the error stream, Ctrl-C, no torch."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fedkd.records import read_reports
from tests.e2e.runs import ROOT, SUPERVISED, manifest_of, resume, rounds_of, run

pytestmark = pytest.mark.e2e

WRONG = {
    "unknown key": (["algoritm=mcm"], "did you mean algorithm?"),
    "unknown field": (["uplink.operator.stpe=1"], "did you mean step?"),
    "unknown choice": (["algorithm=mmc"], "did you mean mcm?"),
    "wrong type": (["rounds=two"], "expected an integer"),
    "negative step": (["uplink.operator.step=-1"], "outside"),
    "too many coordinates": (["uplink=rand_k", "uplink.operator.k=9999999"], "choose k <= dim"),
    "rate out of range": (["uplink.memory.rate=0.99"], "choose rate = auto"),
    "partitioner": (["partitioner.alpha=0"], "choose alpha > 0"),
    "missing file": (["data=npz", "data.path=/nowhere/x.npz"], "missing"),
    "more clients than samples": (["data=digits", "clients=5000"], "choose clients <="),
    "foreign target": (["task._target_=os.system"], "add it to plugins"),
    "no module": (["task._target_=fedkd"], "not found"),
    "unreadable": (["clients=[1"], "clients=[1: cannot be read"),
    "no teacher": (["teacher=none"], "choose teacher=pretrained"),
    "wrong comparison": (["compare={other: ['rouns=3']}"], "did you mean rounds?"),
    "wrong run of a sweep": (["seed=0,1,-2", "-m"], "choose seed >= 0"),
}
SCRIPT = """
import contextlib, io, json, sys
from fedkd.cli import main
answers = []
for arguments in json.loads(sys.argv[1]):
    sys.argv, text, code = ["run.py", *arguments], io.StringIO(), 0
    with contextlib.redirect_stderr(text):
        try:
            main()
        except SystemExit as end:
            code = end.code
    answers.append([code, text.getvalue(), "torch._C" in sys.modules])
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[int, str, bool]]:
    """Exit code, error stream, and whether torch was loaded, for every wrong command line."""
    asked = json.dumps([arguments for arguments, _ in WRONG.values()])
    done = subprocess.run([sys.executable, "-c", SCRIPT, asked], capture_output=True, text=True, check=True, cwd=ROOT)
    return dict(zip(WRONG, map(tuple, json.loads(done.stdout)), strict=True))


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_answered_in_one_line_before_torch_is_loaded(
    case: str, answers: dict[str, tuple[int, str, bool]]
) -> None:
    code, text, loaded = answers[case]
    assert code == 2
    assert text.startswith("configuration: ")
    assert text.count("\n") == 1
    assert WRONG[case][1] in text
    assert not loaded


def test_a_mistake_is_answered_at_once_by_the_command() -> None:
    began = time.perf_counter()
    arguments = [sys.executable, "sims/run.py", "step_size=-1"]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert time.perf_counter() - began < 10, "about one second on a machine that does nothing else"


def test_ctrl_c_leaves_a_run_that_can_be_resumed(tmp_path: Path) -> None:
    folder, overrides = tmp_path / "cut", [*SUPERVISED, "rounds=100000", "algorithm=mcm"]
    arguments = [sys.executable, "sims/run.py", *overrides, f"folder={tmp_path}", "name=cut"]
    with subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        _wait_for_rounds(folder, 3, process)
        process.send_signal(signal.SIGINT)
        try:
            _, said = process.communicate(timeout=60)
        finally:
            # Where this process ignores Ctrl-C, so does that one: without this the wait would have no end.
            process.kill()
    assert process.returncode == 130
    manifest, rounds = manifest_of(folder), len(read_reports(folder))
    assert said == f"interrupted after round {manifest['rounds_done']}; continue with resume={folder}\n"
    assert (manifest["reason"], manifest["rounds_done"] >= 3) == ("interrupted", True)
    assert (folder / "model.safetensors").is_file()
    whole = run(tmp_path / "whole", [*overrides, f"rounds={rounds + 2}"])
    assert resume(folder, rounds + 2).model_sha256 == whole.model_sha256
    assert rounds_of(folder) == rounds_of(tmp_path / "whole")


def _wait_for_rounds(folder: Path, rounds: int, process: subprocess.Popen[str]) -> None:
    metrics, latest = folder / "metrics.jsonl", time.monotonic() + 90
    while not metrics.is_file() or metrics.read_bytes().count(b"\n") < rounds:
        assert process.poll() is None, "the run ended by itself"
        assert time.monotonic() < latest, "no rounds after 90 seconds"
        time.sleep(0.05)
