"""What the first page promises: its compressor runs, its commands are sound, its files and its table are there."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
from collections.abc import Iterator
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
GUIDE = (ROOT / "docs" / "adding-a-compressor.md").read_text()
COMMANDS = [line.split("python sims/run.py ")[1] for line in README.splitlines() if "python sims/run.py " in line]
PLUGIN = next(line for line in COMMANDS if "plugins=" in line)


def block(page: str, path: Path) -> None:
    """Write the first Python block of a page as a module."""
    found = re.search(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert found is not None
    path.write_text(found[1])


@pytest.fixture
def my_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The block of the first page as a module."""
    block(README, tmp_path / "my_package.py")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("my_package", None)


@pytest.mark.parametrize("algorithm", ["mcm", "artemis", "rand_mcm"])
def test_the_compressor_of_the_page_runs(algorithm: str, my_package: Path) -> None:
    overrides = [*SUPERVISED, f"algorithm={algorithm}", *shlex.split(PLUGIN)]
    assert run(my_package / "run", overrides).reason == "finished"
    report = read_reports(my_package / "run")[-1]
    assert 0 < report.bytes_up < 4 * 2 * 610 / 8, "four clients, three symbols: below two bits a coordinate"


def test_the_compressor_of_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block(GUIDE, tmp_path / "package_of_the_guide.py")
    monkeypatch.syspath_prepend(tmp_path)
    plugin = ["plugins=[package_of_the_guide]", "uplink=identity", "uplink.memory.rate=1"]
    target = "uplink.operator._target_=package_of_the_guide.SignScale"
    assert run(tmp_path / "run", [*SUPERVISED, *plugin, target]).reason == "finished"


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
