"""Options of a figure's command as ``key=value``, like the framework's own: fields of a dataclass, checked."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Options = TypeVar("Options", bound=DataclassInstance)

QUICK = "--quick"


def read(kind: type[Options], arguments: Sequence[str], quick: dict[str, object]) -> Options:
    """The options of a command line; ``--quick`` changes the defaults to a size that takes seconds.

    Args:
        kind: its fields are int, float, str or tuples of these; a tuple is written with commas.
        arguments: ``key=value`` or ``--quick``.
        quick: the defaults of a quick run that differ.

    Raises:
        ConfigurationError: an unknown key, or a value of another type.

    Example:
        >>> read(Asked, ["data=a9a", "seeds=0,1"], {})
    """
    kinds = get_type_hints(kind)
    found: dict[str, object] = dict(quick) if QUICK in arguments else {}
    for argument in arguments:
        if argument == QUICK:
            continue
        name, sign, text = argument.partition("=")
        if not sign or name not in kinds:
            raise ConfigurationError(f"{argument}: {_hint(name, list(kinds))}")
        found[name] = _value(name, text, kinds[name])
    return kind(**found)


def one_of(name: str, value: str, known: Sequence[str]) -> None:
    """Refuse a value that is not known."""
    if value not in known:
        raise ConfigurationError(f"{name}={value}: is unknown; choose {', '.join(known)}")


def least(name: str, value: float, bound: float) -> None:
    """Refuse a value below its bound."""
    if not value >= bound:
        raise ConfigurationError(f"{name}={value:g}: is below {bound:g}; choose {name} >= {bound:g}")


def _hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}=...?" if near else f"write key=value with one of {', '.join(known)}, or {QUICK}"


def _value(name: str, text: str, kind: Any) -> object:
    try:
        if getattr(kind, "__origin__", None) is tuple:
            return tuple(kind.__args__[0](item) for item in text.split(",") if item)
        return kind(text)
    except ValueError:
        expected = "numbers with commas between them" if getattr(kind, "__origin__", None) is tuple else kind.__name__
        raise ConfigurationError(f"{name}={text}: is no {expected}") from None


def fields(options: Options) -> dict[str, object]:
    """What a command was asked, for its JSON file."""
    return dataclasses.asdict(options)
