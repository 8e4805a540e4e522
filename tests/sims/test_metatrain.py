"""The command of meta-training: what it leaves, goes on with and refuses; under mpirun the same theta."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from safetensors import safe_open

from fedkd.errors import ConfigurationError
from fedkd.metatraining import kept
from fedkd.metatraining.exchange import Exchange
from fedkd.metatraining.terms import ServerTerms, Terms
from fedkd.metatraining.training import MetaTraining
from fedkd.optimizers import read_theta
from sims import metatrain
from tests.executors.mpi.launchers import launchers, processes
from tests.faults.children import gone
from tests.metatraining.ranks import together

ROOT = Path(__file__).parents[2]
STEPS = 60
TINY = (
    "families=quadratics,quadratics,quadratics",
    "particles=2",
    f"steps={STEPS}",
    "truncation=4",
    "shortest=8",
    "longest=40",
    "warm_up=5",
    "checkpoint_every=1",
)
MPIRUN = next((launcher.mpirun for launcher in launchers() if launcher.python == sys.executable), None)
PATIENCE, QUICK = 120.0, 30.0
"""Seconds, on a busy machine, in which a job gets so far, and in which it ends after a signal."""
started_by_hand = [
    pytest.mark.e2e,
    pytest.mark.exhaustive,
    pytest.mark.parametrize(
        "ranks", [None, pytest.param(2, marks=pytest.mark.skipif(MPIRUN is None, reason="no MPI"))]
    ),
]


def lines_of(folder: Path) -> list[dict[str, object]]:
    """Those of log.jsonl without the stop-watch."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def same_theta(one: Path, other: Path) -> bool:
    """Of two folders, to the last bit."""
    vectors = [read_theta(str(folder / "theta.safetensors")).vector for folder in (one, other)]
    return torch.equal(*vectors)


def test_roles_have_their_own_defaults_and_options_win() -> None:
    assert metatrain.request([]) == ("client", Terms())
    assert metatrain.request(["role=server", "particles=3"]) == ("server", ServerTerms(particles=3))
    assert metatrain.request(["--quick", "steps=9"]) == ("client", Terms(**{**metatrain.QUICK, "steps": 9}))


@pytest.mark.parametrize(
    ("argument", "why"),
    [
        ("role=clients", "role=clients: is unknown; choose client, server"),
        ("particle=3", "particle=3: did you mean particles="),
        ("steps=many", "steps=many: is no int"),
        ("sigma=0", "sigma=0 is not positive; choose sigma > 0"),
        ("families=cat", "families=cat: unknown family; choose some of digits, "),
    ],
)
def test_what_cannot_be_done_is_one_line(argument: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(why)) as caught:
        metatrain.main([argument])
    assert "\n" not in str(caught.value)


def test_it_leaves_theta_checkpoint_and_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "theta"
    metatrain.main(["--quick", f"output={folder}"])
    names = {"group-0-4.safetensors", "group-1-4.safetensors", "log.jsonl", kept.STATE, kept.THETA}
    assert {path.name for path in folder.iterdir()} == names
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["round"] for line in lines] == [0, 1, 2, 3]
    assert all(len(line["losses"]) == 2 and line["norm"] > 0 and line["seconds"] > 0 for line in lines)
    with safe_open(folder / kept.THETA, "pt") as file:
        facts = file.metadata()
    assert json.loads(facts["terms"])["families"] == ["quadratics", "quadratics"]
    assert facts["step"] == "4"
    assert read_theta(str(folder / kept.THETA)).form == Terms().form()
    assert f"theta: {folder}" in capsys.readouterr().out.replace("\n", "")


def test_it_goes_on_from_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off at step 7, after the checkpoint at step 6: steps 6 and 7 happen again, and are in the log once."""
    tiny = [*TINY, "steps=12", "checkpoint_every=3"]
    metatrain.main([*tiny, f"output={tmp_path / 'whole'}"])

    class Cut(MetaTraining):
        def advance(self) -> metatrain.Progress:
            if self.learner.step == 8:
                raise KeyboardInterrupt
            return super().advance()

    with monkeypatch.context() as patch:
        patch.setattr(metatrain, "MetaTraining", Cut)
        with pytest.raises(KeyboardInterrupt):
            metatrain.main([*tiny, f"output={tmp_path / 'cut'}"])
    assert len(lines_of(tmp_path / "cut")) == 8
    metatrain.main([*tiny, f"output={tmp_path / 'cut'}"])
    assert same_theta(tmp_path / "cut", tmp_path / "whole")
    assert lines_of(tmp_path / "cut") == lines_of(tmp_path / "whole")


def test_a_training_that_is_done_is_left_as_it_is(tmp_path: Path) -> None:
    asked = ["--quick", f"output={tmp_path}"]
    metatrain.main(asked)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    metatrain.main(asked)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_ranks_leave_one_log_and_only_one_of_them_looks_at_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look removes what it makes: nobody may be making it meanwhile."""
    looks, began = [], []

    def look(folder: Path) -> None:
        time.sleep(0.2)
        looks.append(folder)

    class Later(MetaTraining):
        def __init__(self, terms: Terms, exchange: Exchange) -> None:
            began.append(len(looks))
            super().__init__(terms, exchange)

    monkeypatch.setattr(metatrain, "check_folder", look)
    monkeypatch.setattr(metatrain, "MetaTraining", Later)
    tiny = [*TINY, "steps=5"]
    together(2, lambda exchange: metatrain.main([*tiny, f"output={tmp_path / 'ranks'}"], exchange))
    assert (looks, began) == ([tmp_path / "ranks"], [1, 1])
    metatrain.main([*tiny, f"output={tmp_path / 'alone'}"])
    assert same_theta(tmp_path / "ranks", tmp_path / "alone")
    assert lines_of(tmp_path / "ranks") == lines_of(tmp_path / "alone")


class Ended(NamedTuple):
    """How a job ended."""

    code: int
    text: str


def started(ranks: int | None, arguments: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    """A job, under mpirun or as one process, with its folder on the command line."""
    launcher = [] if ranks is None else [str(MPIRUN), "-n", str(ranks)]
    path = os.pathsep.join(map(str, (ROOT, ROOT / "compression")))
    return subprocess.Popen(
        [*launcher, sys.executable, "sims/metatrain.py", *arguments, f"output={folder}"],
        cwd=ROOT,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def ended(job: subprocess.Popen[str], folder: Path, seconds: float = PATIENCE) -> Ended:
    """The job's end, with all its processes."""
    try:
        _, text = job.communicate(timeout=seconds)
    finally:
        job.kill()
    assert gone([int(process) for process in processes(folder)], QUICK)
    return Ended(job.returncode, text)


def interrupted(job: subprocess.Popen[str], folder: Path, steps: int) -> Ended:
    """Ctrl-C after so many steps."""
    log, latest = folder / "log.jsonl", time.monotonic() + PATIENCE
    while not log.is_file() or log.read_bytes().count(b"\n") < steps:
        assert job.poll() is None, "the job ended by itself"
        assert time.monotonic() < latest, f"no {steps} steps after {PATIENCE:g} seconds"
        time.sleep(0.01)
    job.send_signal(signal.SIGINT)
    return ended(job, folder, QUICK)


def marked(test: object) -> object:
    for mark in started_by_hand:
        test = mark(test)
    return test


@marked
def test_ctrl_c_ends_it_and_other_ranks_go_on(ranks: int | None, tmp_path: Path) -> None:
    """From two ranks to three, from one process to two ranks: the theta of a training that nobody cut off."""
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    assert interrupted(started(ranks, TINY, cut), cut, 3) == Ended(130, "interrupted\n")
    reached = len(lines_of(cut))
    assert reached < STEPS
    others = 2 if ranks is None else 3
    assert ended(started(others if MPIRUN else None, TINY, cut), cut) == Ended(0, "")
    metatrain.main([*TINY, f"output={whole}"])
    assert same_theta(cut, whole)
    assert lines_of(cut) == lines_of(whole)
    assert len(list(cut.glob("group-*"))) == 3


@marked
def test_a_mistake_is_said_once(ranks: int | None, tmp_path: Path) -> None:
    """A wrong value, another training's folder, a broken file of one rank's group: one line, and exit code 2."""
    assert ended(started(ranks, [*TINY, "sigma=0"], tmp_path), tmp_path) == Ended(
        2, "configuration: sigma=0 is not positive; choose sigma > 0\n"
    )
    tiny = [*TINY, "steps=2"]
    metatrain.main([*tiny, f"output={tmp_path}"])
    other = ended(started(ranks, [*tiny, "seed=1"], tmp_path), tmp_path)
    assert other == Ended(
        2, f"configuration: seed=1: {tmp_path} holds a meta-training with seed=0; choose another output\n"
    )
    broken = tmp_path / "group-1-2.safetensors"
    broken.write_bytes(b"")
    end = ended(started(ranks, tiny, tmp_path), tmp_path)
    assert end.code == 2
    assert re.fullmatch(rf"configuration: {broken}: cannot be read \(.*\); delete the folder .*\n", end.text)
