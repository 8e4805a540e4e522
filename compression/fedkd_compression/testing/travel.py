"""Operators as JSON, by the names of their classes and their fields: no pickle, and no code that travels."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import reduce
from importlib import import_module
from typing import Any


class NotTravellingError(ValueError):
    """An operator cannot be named to another process."""


def packed(value: object) -> Any:
    """A value of a field, or an operator, in what JSON has.

    Raises:
        NotTravellingError: it is neither a number, a string, None, nor a tuple, list, dict or dataclass of these.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        given = {field.name: packed(getattr(value, field.name)) for field in fields(value) if field.init}
        return {"class": _named(type(value)), "fields": given}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {"class": _named(type(value)), "fields": dict(zip(value._fields, map(packed, value), strict=True))}
    if isinstance(value, tuple):
        return {"tuple": [packed(item) for item in value]}
    if isinstance(value, list):
        return [packed(item) for item in value]
    if isinstance(value, dict):
        return {"items": [[packed(name), packed(item)] for name, item in value.items()]}
    raise NotTravellingError(
        f"a field is {value!r}; make it a number, a string, or a tuple, list, dict or dataclass of these"
    )


def unpacked(value: Any) -> Any:
    """The value of ``packed``.

    Raises:
        NotTravellingError: a class cannot be imported.
    """
    if isinstance(value, list):
        return [unpacked(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(unpacked(value["tuple"]))
    if "items" in value:
        return dict(unpacked(value["items"]))
    return _found(*value["class"])(**{name: unpacked(item) for name, item in value["fields"].items()})


def _named(kind: type) -> tuple[str, str]:
    return kind.__module__, kind.__qualname__


def _found(module: str, name: str) -> Any:
    try:
        return reduce(getattr, name.split("."), import_module(module))
    except (ImportError, AttributeError) as error:
        raise NotTravellingError(
            f"{name} of module {module} is not importable ({error}); define it at the top of a module on the path"
        ) from None
