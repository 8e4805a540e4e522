"""Wrong command lines: one line, exit code 2, nothing left behind, in the time that it takes to start."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from fedkd.compose import compose, expand
from fedkd.configuration import Settings
from fedkd.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
SECONDS = 3.0
"""Of a processor, in which a command answers; measured: 0.9 to 1.2."""
READ = {
    "seed": "seed: cannot be read (Error parsing override 'seed' missing EQUAL at '<EOF>'); give key=value",
    "name=a=b": "name=a=b: cannot be read (mismatched input '=' expecting <EOF>); quote its values",
    "seed=1,2": "seed=1,2: has several values; choose one, or sweep over them with -m",
    "uplink=qsgd,eden": "uplink=qsgd,eden: has several values; choose one, or sweep over them with -m",
    "--nope": "unrecognized arguments: --nope; choose among --help, --cfg job, --multirun",
    "--config-name=other": "--config-name=other: is not read; choose among --help, --cfg job, --multirun",
}
"""What is refused before anything is composed."""
COMPOSED = {
    "solver=null": "solver=null: unknown choice; known are adam, gradient, sgd, star",
    "solver=sdg": "solver=sdg: unknown choice; did you mean sgd?",
    "=3": "=3: has no key of a configuration; give key=value or group=choice",
    "uplink@downlink=qsgd": "uplink@downlink=qsgd: has no key of a configuration; give key=value or group=choice",
    "+solver=sgd": "+solver=sgd: a group has one choice; give solver= one of adam, gradient, sgd, star",
    "~solver": "~solver: a group has one choice; give solver= one of adam, gradient, sgd, star",
    "~seed": "seed: missing; give it a value, Settings needs it",
    "~solver.momentum": "solver.momentum: missing; give it a value, Sgd needs it",
    "~nope": "~nope: Could not delete from config. 'nope' does not exist.; change or drop it",
    "folder=${nope}": "folder: Interpolation key 'nope' not found; change folder",
    "seed=${seed}": "seed: Recursive interpolation detected; change seed",
    "seed=1e400": "seed=inf: expected an integer; change seed",
    "solver.momentum={1: 2}": "solver.momentum={1: 2}: expected a number; change solver.momentum",
    "++solver.1=3": "solver.1: unknown key; known are learning_rate, momentum, weight_decay, proximal",
    "data=npz": "data.path: missing; give it a value",
}
"""What is refused by what was composed, or cannot be."""
COMMANDS = (
    ("solver.momentum=2", "solver: Sgd: momentum=2 is outside [0, 1); choose momentum = 0.9"),
    ("solver.momentun=0.5", "solver.momentun: unknown key; did you mean momentum?"),
    ("+seed=1", "+seed=1: Could not append to config. An item is already at 'seed'."),
    ("seed=1" + "0" * 5000, "seed=1000"),
    ("uplink.operator.step=.nan", "uplink.operator.step='.nan': expected a number; change uplink.operator.step"),
)


@pytest.mark.parametrize("argument", READ)
def test_what_cannot_be_read_has_a_way_out(argument: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        list(expand(["rounds=3", argument]))
    assert str(caught.value) == READ[argument]


@pytest.mark.parametrize("argument", COMPOSED)
def test_what_cannot_be_composed_has_a_way_out(argument: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.of(compose([argument]))
    assert str(caught.value) == COMPOSED[argument]


def test_of_a_key_given_twice_the_last_counts() -> None:
    assert compose(["rounds=1", "rounds=2"])["rounds"] == 2
    with pytest.raises(ConfigurationError, match=r"^rounds=0 is below 1; choose rounds >= 1$"):
        Settings.of(compose(["rounds=1", "rounds=0"]))


def test_what_is_shown_is_checked_too() -> None:
    with pytest.raises(ConfigurationError, match=r"^solver=sdg: unknown choice; did you mean sgd\?$"):
        list(expand(["--cfg", "job", "solver=sdg"]))


@pytest.mark.parametrize(("argument", "message"), COMMANDS, ids=[argument[:20] for argument, _ in COMMANDS])
def test_a_command_answers_in_one_line(argument: str, message: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "sims" / "run.py"), argument, f"folder={tmp_path}/runs"]
    before = seconds_of_children()
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    seconds = seconds_of_children() - before
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"configuration: {message}")
    assert ended.stderr.count("\n") == 1
    assert len(ended.stderr) < 1000
    assert not list(tmp_path.iterdir())
    assert seconds < SECONDS


def seconds_of_children() -> float:
    """Of processors, which other tests beside this one do not change, as they do those of a clock."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
