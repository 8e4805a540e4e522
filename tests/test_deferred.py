"""A deferred module costs nothing until it is used, and is the real one from then on."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedkd.deferred import defer

NAME = "slow_module_of_the_test"


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A module that says when it is loaded; the list of what it said."""
    said: list[str] = []
    monkeypatch.setattr(sys, "said_by_the_slow_module", said, raising=False)
    package = tmp_path / NAME
    package.mkdir()
    (package / "__init__.py").write_text("import sys\nsys.said_by_the_slow_module.append(__name__)\nanswer = 42\n")
    (package / "part.py").write_text("from slow_module_of_the_test import answer\nhalf = answer // 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield said
    for name in [name for name in sys.modules if name.startswith(NAME)]:
        del sys.modules[name]


def test_importing_loads_nothing_and_the_first_use_loads_once(loaded: list[str]) -> None:
    defer(NAME)
    module = importlib.import_module(NAME)
    assert loaded == []
    assert module.answer == 42
    assert module.answer == 42
    assert loaded == [NAME]
    assert importlib.import_module(NAME).answer == 42
    assert loaded == [NAME]


def test_a_part_of_a_deferred_package_can_be_imported_after_its_first_use(loaded: list[str]) -> None:
    defer(NAME)
    assert importlib.import_module(NAME).answer == 42
    assert importlib.import_module(f"{NAME}.part").half == 21
    assert loaded == [NAME]


def test_a_missing_attribute_is_still_an_error(loaded: list[str]) -> None:
    defer(NAME)
    module = importlib.import_module(NAME)
    with pytest.raises(AttributeError, match="nothing"):
        module.nothing  # noqa: B018


def test_others_find_out_that_the_module_could_be_imported(loaded: list[str]) -> None:
    defer(NAME)
    assert importlib.util.find_spec(NAME) is not None
    assert loaded == []


def test_a_module_that_is_there_already_is_left_alone(loaded: list[str]) -> None:
    real = importlib.import_module(NAME)
    defer(NAME)
    assert sys.modules[NAME] is real
