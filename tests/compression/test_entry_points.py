"""Operators of other packages: found by name, imported only when asked for, and every fault is one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fedkd_compression
from fedkd_compression import Operator, OperatorError
from fedkd_compression.plugins import compressor, compressors, declared
from tests.configuration.packages import OPERATOR, install, only

SCRIPT = """
import sys, types

class Untouched(types.ModuleType):
    def __getattr__(self, name):
        raise AssertionError(f"torch.{name} was used at import")

sys.modules["torch"] = Untouched("torch")
import fedkd_compression
assert "fedkd_compression.plugins" not in sys.modules
from fedkd_compression.plugins import declared
assert "mine" in [entry.name for entry in declared()]
assert "one_package" not in sys.modules
"""
FAULTS = {
    "no module": ("nowhere:Mine", "cannot be imported (ModuleNotFoundError: No module named 'nowhere'); mend or"),
    "no class": ("bad_package:Yours", "has no attribute 'Yours'); mend or uninstall it"),
    "raises": ("bad_package.raises:Mine", "cannot be imported (RuntimeError: one two); mend or uninstall it"),
    "leaves": ("bad_package.leaves:Mine", "cannot be imported (SystemExit: 3); mend or uninstall it"),
    "a module": ("bad_package", "is no Operator; derive it from fedkd_compression.Operator"),
    "a function": ("os:system", "is no Operator; derive it from fedkd_compression.Operator"),
    "another class": ("pathlib:Path", "is no Operator; derive it from fedkd_compression.Operator"),
    "an instance": ("bad_package:INSTANCE", "is no Operator; derive it from fedkd_compression.Operator"),
    "abstract": ("bad_package:Half", "lacks decode; define it"),
    "unreadable": ("no such thing!", "cannot be imported"),
}
BAD = OPERATOR + "\nINSTANCE = Mine()\n\nclass Half(Operator):\n    def encode(self, rows, key): ...\n"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A folder of installed packages, the only one."""
    with only(tmp_path):
        yield tmp_path


def test_nothing_is_installed(site: Path) -> None:
    assert compressors() == {}
    with pytest.raises(OperatorError) as caught:
        compressor("mine")
    assert str(caught.value) == "mine: no installed compressor; install a package that declares it in fedkd.compressors"


def test_a_package_is_imported_when_its_operator_is_asked_for(site: Path) -> None:
    install(site, "one-package", {"mine": "one_package:Mine"})
    install(site, "two-package", {"yours": "two_package:Mine"})
    assert [entry.name for entry in declared()] == ["mine", "yours"]
    assert not {"one_package", "two_package"} & set(sys.modules)
    found = compressor("mine")
    assert issubclass(found, Operator)
    assert (found.__module__, repr(found())) == ("one_package", "Mine(size=2)")
    assert "two_package" not in sys.modules


def test_all_are_listed_by_name(site: Path) -> None:
    install(site, "one-package", {"mine": "one_package:Mine", "again": "one_package:Mine"})
    install(site, "two-package", {"yours": "two_package:Mine"})
    found = compressors()
    assert list(found) == ["again", "mine", "yours"]
    assert found["again"] is found["mine"] is not found["yours"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("mnie", "did you mean mine?"), ("Mine", "did you mean mine?"), ("zzz", "known are mine, yours")],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, hint: str, site: Path) -> None:
    install(site, "one-package", {"yours": "one_package:Mine", "mine": "one_package:Mine"})
    with pytest.raises(OperatorError) as caught:
        compressor(name)
    assert str(caught.value) == f"{name}: no installed compressor; {hint}"
    assert "one_package" not in sys.modules


@pytest.mark.parametrize("case", FAULTS)
def test_a_broken_package_is_named_with_what_failed(case: str, site: Path) -> None:
    value, fault = FAULTS[case]
    install(site, "bad-package", {"mine": value}, BAD)
    (site / "bad_package" / "raises.py").write_text("raise RuntimeError('one\\n  two')\n")
    (site / "bad_package" / "leaves.py").write_text("raise SystemExit(3)\n")
    for ask in (lambda: compressor("mine"), compressors):
        with pytest.raises(OperatorError) as caught:
            ask()
        message = str(caught.value)
        assert message.startswith(f"mine: {value} of bad-package 2.0 ")
        assert fault in message
        assert "\n" not in message


def test_a_broken_package_does_not_hide_the_others(site: Path) -> None:
    install(site, "bad-package", {"broken": "bad_package:Yours"})
    install(site, "one-package", {"mine": "one_package:Mine"})
    assert compressor("mine").__name__ == "Mine"


def test_one_name_in_two_packages_is_refused(site: Path) -> None:
    install(site, "two-package", {"mine": "two_package:Mine", "yours": "two_package:Mine"})
    install(site, "one-package", {"mine": "one_package:Mine"})
    for ask in (lambda: compressor("mine"), compressors):
        with pytest.raises(OperatorError) as caught:
            ask()
        assert str(caught.value) == "mine: declared by one-package 2.0 and two-package 2.0; uninstall one of them"
    assert not {"one_package", "two_package"} & set(sys.modules)
    assert compressor("yours").__name__ == "Mine"


def test_a_folder_that_is_on_the_path_twice_is_one_installation(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "one-package", {"mine": "one_package:Mine"})
    monkeypatch.setattr(sys, "path", [str(site), str(site)])
    assert list(compressors()) == ["mine"]


def test_the_package_and_the_list_import_nothing_of_others(tmp_path: Path) -> None:
    install(tmp_path, "one-package", {"mine": "one_package:Mine"})
    package = str(Path(fedkd_compression.__file__).parents[1])
    path = f"{tmp_path}{os.pathsep}{package}"
    subprocess.run([sys.executable, "-c", SCRIPT], env={"PYTHONPATH": path}, check=True)
