"""What the first page promises: its compressor runs, its commands are read, its links and its table are true."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest
import torch

from fedkd.compose import compose, expand
from fedkd.configuration import Settings, check
from fedkd.records import read_reports
from fedkd_compression import Key, compress
from tests.e2e.runs import ROOT, SUPERVISED, run

pytestmark = pytest.mark.e2e

README = (ROOT / "README.md").read_text()
COMMANDS = [line.split("python sims/run.py ")[1] for line in README.splitlines() if "python sims/run.py " in line]
PLUGIN = next(line for line in COMMANDS if "plugins=" in line)


@pytest.fixture
def my_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The block of the page as a module."""
    block = re.search(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert block is not None
    (tmp_path / "my_package.py").write_text(block[1])
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("algorithm", ["mcm", "artemis", "rand_mcm"])
def test_the_compressor_of_the_page_runs(algorithm: str, my_package: Path) -> None:
    overrides = [*SUPERVISED, f"algorithm={algorithm}", *shlex.split(PLUGIN)]
    assert run(my_package / "run", overrides).reason == "finished"
    report = read_reports(my_package / "run")[-1]
    assert 0 < report.bytes_up < 4 * 4 * 610 / 8, "two of three symbols are zero or more, so far below two bits each"


def test_the_compressor_of_the_page_keeps_its_promise(my_package: Path) -> None:
    ternary = importlib.import_module("my_package").Ternary()
    x, trials = torch.linspace(-1, 1, 9), 4000
    keys = Key.stack([Key.of(0, "trial", trial) for trial in range(trials)])
    received = compress(ternary, x.expand(trials, 9).contiguous(), keys)[1]
    deviation = (received.double().mean(dim=0) - x).abs()
    assert bool((deviation <= 5 * (received.double().std(dim=0) + 1e-7) / trials**0.5).all())
    errors = ((received - x) ** 2).sum(dim=1).double()
    assert errors.mean() <= ternary.omega(9) * x.double().square().sum() + 5 * errors.std() / trials**0.5


@pytest.mark.parametrize("line", [line for line in COMMANDS if not line.startswith(("--help", "resume", "'plugins"))])
def test_every_command_of_the_page_is_sound(line: str) -> None:
    arguments = shlex.split(re.split(r"\s{3,}", line)[0])
    for overrides in expand(arguments):
        check(Settings.of(compose(overrides)))


def test_the_table_has_every_algorithm() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", README, flags=re.MULTILINE))
    assert rows == {path.stem for path in (ROOT / "configs" / "algorithm").glob("*.yaml")}


def test_the_files_of_the_page_are_there() -> None:
    named = re.findall(r"\]\(([^)]+)\)|`((?:docs|configs|fedkd|sims)/[\w./]+)`", README)
    assert named
    assert not [path for pair in named for path in pair if path and not (ROOT / path).exists()]
