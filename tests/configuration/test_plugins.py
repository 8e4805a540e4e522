"""Operators of installed packages, by name: what is found, what is refused, and what is imported for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fedkd.clients import Participation
from fedkd.configuration import construct
from fedkd.configuration.plugins import folders
from fedkd.errors import ConfigurationError
from fedkd_compression import Operator, TopK
from tests.configuration.packages import OPERATOR, install, only

PACKAGES = {"one_package", "two_package"}
PATH = "uplink.operator"
LATE = """
from __future__ import annotations
from dataclasses import dataclass
from typing import TYPE_CHECKING
from fedkd_compression import Operator
if TYPE_CHECKING:
    from typing import ClassVar

@dataclass(frozen=True)
class Mine(Operator):
    nothing: ClassVar[int] = 3
    def encode(self, rows, key): ...
    def decode(self, code, key, dim): ...
"""
HALF = "from fedkd_compression import Operator\nclass Mine(Operator):\n    def encode(self, rows, key): ...\n"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """Two installed packages: ``mine`` and ``yours``."""
    with only(tmp_path):
        install(tmp_path, "one-package", {"mine": "one_package:Mine"})
        install(tmp_path, "two-package", {"yours": "two_package:Mine"})
        yield tmp_path


def operator(target: str, *plugins: str, kind: Any = Operator, **fields: object) -> Any:
    return construct(kind, {"_target_": target, **fields}, PATH, plugins)


def refusal(target: str, *plugins: str, kind: Any = Operator, **fields: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        operator(target, *plugins, kind=kind, **fields)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("kind", [Operator, Operator | None])
def test_an_installed_operator_goes_by_its_name(kind: Any, site: Path) -> None:
    built = operator("mine", kind=kind, size=7)
    assert isinstance(built, Operator)
    assert (type(built).__module__, repr(built)) == ("one_package", "Mine(size=7)")
    assert PACKAGES & set(sys.modules) == {"one_package"}, "only what is used is imported"


def test_nothing_is_imported_for_another_operator(site: Path) -> None:
    assert operator("fedkd_compression.TopK", k=3) == TopK(k=3)
    assert not PACKAGES & set(sys.modules)


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("mnie", "mnie: no installed compressor; did you mean mine?"),
        ("zzz", "zzz: no installed compressor; known are mine, yours"),
        ("", ": no installed compressor; known are mine, yours"),
        ("builtins", "builtins: no installed compressor; known are mine, yours"),
    ],
)
def test_an_unknown_name_is_answered_before_anything_is_imported(target: str, answer: str, site: Path) -> None:
    assert refusal(target) == f"{PATH}._target_={answer}"
    assert not PACKAGES & set(sys.modules)


def test_a_name_in_plugins_changes_nothing(site: Path) -> None:
    assert "no installed compressor" in refusal("one_package", "one_package")
    assert operator("mine", "one_package") == operator("mine")


def test_fields_are_checked_as_those_of_our_own(site: Path) -> None:
    assert refusal("mine", size="2") == f"{PATH}.size='2': expected an integer; change {PATH}.size"
    assert refusal("mine", sise=2) == f"{PATH}.sise: unknown key; did you mean size?"
    assert refusal("mine", size=0) == f"{PATH}: Mine: size=0 is below 1; choose size >= 1"


def test_a_name_serves_only_where_an_operator_is_wanted(site: Path) -> None:
    assert "package 'mine' is not among fedkd, fedkd_compression" in refusal("mine", kind=Participation)
    assert not PACKAGES & set(sys.modules)


def test_being_installed_lets_in_what_is_declared_and_nothing_else(site: Path) -> None:
    assert "add it to plugins" in refusal("one_package.Mine")
    assert not PACKAGES & set(sys.modules)
    assert operator("one_package.Mine", "one_package") == operator("mine")


@pytest.mark.parametrize(
    ("source", "by_name", "by_path"),
    [
        ("raise RuntimeError('one\\n two')", "(RuntimeError: one two); mend", "(RuntimeError: one two); mend"),
        ("raise ImportError('one\\n two')", "(ImportError: one two); mend", "not found (one two); check its spelling"),
        ("raise SystemExit(3)", "(SystemExit: 3); mend or", "(SystemExit: 3); mend bad_package"),
        ("x = = 1", "(SyntaxError: invalid syntax", "(SyntaxError: invalid syntax"),
        ("Mine = 3", "is no Operator; derive it", "is no class; name a class"),
        ("class Mine: pass", "is no Operator; derive it", "is no Operator; choose one that is"),
        (HALF, "lacks decode; define it", "lacks decode; define it"),
        (LATE, "Mine: name 'ClassVar' is not defined; import it", "Mine: name 'ClassVar' is not defined; import it"),
    ],
)
def test_a_broken_package_is_one_line(source: str, by_name: str, by_path: str, site: Path) -> None:
    install(site, "bad-package", {"bad": "bad_package:Mine"}, source)
    assert by_name in refusal("bad")
    assert by_path in refusal("bad_package.Mine", "bad_package")


def test_one_name_in_two_packages_is_refused(site: Path) -> None:
    install(site, "bad-package", {"mine": "bad_package:Mine"})
    assert refusal("mine") == f"{PATH}._target_=mine: declared by bad-package 2.0 and one-package 2.0; " + (
        "uninstall one of them"
    )


def test_the_choices_of_a_package_are_located_not_imported(site: Path) -> None:
    install(site, "gone-package", {"gone": "nowhere.at.all:Mine", "odd": "no such thing!", "empty": ":"}, OPERATOR)
    assert folders() == []
    for package in sorted(PACKAGES):
        (site / package / "conf" / "uplink").mkdir(parents=True)
    assert folders() == [site / "one_package" / "conf", site / "two_package" / "conf"]
    assert not PACKAGES & set(sys.modules)
