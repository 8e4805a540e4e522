"""Typed construction: a value fits its field, or one line says where, what and what is right."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from fedkd.clients import Bernoulli, FixedCohort, Participation
from fedkd.configuration import construct, resolve
from fedkd.errors import ConfigurationError


@dataclass(frozen=True)
class Inner:
    size: int


@dataclass(frozen=True)
class Outer:
    inner: Inner
    rate: float | Literal["auto"]
    names: tuple[str, ...]
    partner: Inner | None
    table: dict[str, tuple[int, ...]]
    late: int = 3

    def __post_init__(self) -> None:
        if self.late > 9:
            raise ValueError(f"Outer: late={self.late} exceeds 9; choose late <= 9")


GOOD: dict[str, object] = {
    "inner": {"size": 2},
    "rate": 1,
    "names": ["a", "b"],
    "partner": {},
    "table": {"x": [1, 2]},
}


def test_a_nested_value_becomes_an_object() -> None:
    built = construct(Outer, GOOD, "")
    assert built == Outer(Inner(2), 1.0, ("a", "b"), None, {"x": (1, 2)})
    assert isinstance(built.rate, float)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (int, 3, 3),
        (float, 3, 3.0),
        (bool, True, True),
        (str | None, None, None),
        (str | None, "x", "x"),
        (int | str, "x", "x"),
        (float | Literal["auto"], "auto", "auto"),
        (tuple[float, ...], [1, 2.5], (1.0, 2.5)),
        (tuple[tuple[int, ...], ...], [[1], []], ((1,), ())),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (Inner | None, {}, None),
    ],
)
def test_plain_values_have_the_type_of_their_field(kind: Any, value: object, expected: object) -> None:
    assert construct(kind, value, "key") == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inner": {"size": "2"}}, "inner.size='2': expected an integer; change inner.size"),
        ({"inner": {"size": True}}, "inner.size=True: expected an integer; change inner.size"),
        ({"inner": {"size": 2.0}}, "inner.size=2.0: expected an integer; change inner.size"),
        ({"inner": 2}, "inner=2: expected a configuration of Inner with _target_; change inner"),
        ({"inner": {"sise": 2}}, "inner.sise: unknown key; did you mean size?"),
        ({"inner": {}}, "inner.size: missing; give it a value, Inner needs it"),
        ({"rate": "fast"}, "rate='fast': expected a number or auto; change rate"),
        ({"rate": float("nan")}, "rate=nan: expected a number or auto; change rate"),
        ({"names": "ab"}, "names='ab': expected a list of a text; change names"),
        ({"names": ["a", 3]}, "names[1]=3: expected a text; change names[1]"),
        ({"partner": {"size": "x"}}, "partner.size='x': expected an integer; change partner.size"),
        ({"table": {"x": [1, "y"]}}, "table.x[1]='y': expected an integer; change table.x[1]"),
        ({"table": [1]}, "table=[1]: expected a mapping; change table"),
        ({"late": 10}, "Outer: late=10 exceeds 9; choose late <= 9"),
        ({"nothing_like_it": 1}, "nothing_like_it: unknown key; known are inner, rate, names, partner, table, late"),
    ],
)
def test_a_wrong_value_is_named_with_its_path(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        construct(Outer, {**GOOD, **change}, "")
    assert str(caught.value) == message


def test_a_target_chooses_the_class() -> None:
    value = {"_target_": "fedkd.clients.Bernoulli", "p": 0.5}
    assert construct(Participation, value, "participation") == Bernoulli(0.5)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"p": 0.5}, "participation: _target_ is missing; name a class of Participation"),
        (
            {"_target_": "fedkd.data.Iid"},
            "participation._target_=fedkd.data.Iid: is no Participation; choose one that is",
        ),
        (
            {"_target_": "fedkd.clients.FixedCohort", "size": 0},
            "participation: FixedCohort: size=0 is below 1; choose size >= 1",
        ),
        (
            {"_target_": "fedkd.clients.FixedCohort"},
            "participation.size: missing; give it a value, FixedCohort needs it",
        ),
    ],
)
def test_a_wrong_target_is_one_line(value: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        construct(Participation, value, "participation")
    assert str(caught.value) == message


def test_a_member_of_a_union_that_fits_is_found() -> None:
    value = {"_target_": "fedkd.clients.FixedCohort", "size": 2}
    assert construct(Bernoulli | FixedCohort, value, "one") == FixedCohort(2)


@pytest.mark.parametrize("target", ["os.system", "builtins.eval", "fedkdevil.Thing", "subprocess.Popen", "", ".Thing"])
def test_other_packages_are_refused_before_import(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.import_module", lambda name: pytest.fail(f"{name} was imported"))
    with pytest.raises(ConfigurationError, match="is not among fedkd, fedkd_compression; add it to plugins$"):
        resolve(target, (), "task")


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        ("fedkd", "not found"),
        ("fedkd.tasks.Nothing", "not found"),
        ("fedkd.nothing.Nothing", "not found"),
        ("fedkd..Nothing", "not found"),
        ("fedkd.compose.compose", "is no class"),
    ],
)
def test_what_is_not_there_is_one_line(target: str, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^task\._target_={target}: {fault}") as caught:
        resolve(target, (), "task")
    assert "\n" not in str(caught.value)


def test_a_plugin_is_found_and_only_then_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from fedkd.clients import Full\nclass Everyone(Full):\n    pass\n"
    (tmp_path / "a_plugin_of_the_test.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    value = {"_target_": "a_plugin_of_the_test.Everyone"}
    with pytest.raises(ConfigurationError, match="add it to plugins$"):
        construct(Participation, value, "participation")
    assert "a_plugin_of_the_test" not in sys.modules
    built = construct(Participation, value, "participation", ("a_plugin_of_the_test",))
    assert type(built).__name__ == "Everyone"
