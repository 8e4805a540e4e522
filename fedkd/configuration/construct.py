"""Typed construction: every value is held against the type of the field that it is for.

A class that can be configured is a dataclass (or has an annotated ``__init__``) whose fields are int, float, str,
bool, None, Literal, tuples of these, or other such classes. Ranges are the class's own business, in ``__post_init__``.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

from fedkd.configuration.targets import class_of
from fedkd.errors import ConfigurationError

_PLAIN = (bool, int, float, str, type(None))
_MOST = 2**63
_WIDEST = 60
"""Characters of a wrong value that are shown."""


def construct(kind: Any, value: object, path: str, plugins: Sequence[str] = ()) -> Any:
    """The object of type ``kind`` that a configured value describes.

    Args:
        kind: a type or annotation.
        value: plain data: None, bool, int, float, str, list, dict.
        path: where the value stands in the configuration, for messages.
        plugins: packages beside ours in which ``_target_`` may be found.

    Raises:
        ConfigurationError: in one line, naming path, value and what is right.

    Example:
        >>> construct(int, 3, "rounds")
        3
    """
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _union(get_args(kind), value, path, plugins)
    if origin is Literal:
        return _literal(get_args(kind), value, path)
    if origin is tuple:
        return _sequence(get_args(kind)[0], value, path, plugins)
    if origin is dict:
        return _mapping(get_args(kind)[1], value, path, plugins)
    if kind in _PLAIN:
        return _scalar(kind, value, path)
    return _object(kind, value, path, plugins)


def _union(kinds: Sequence[Any], value: object, path: str, plugins: Sequence[str]) -> Any:
    if type(None) in kinds and value in (None, {}):
        return None
    classes = [kind for kind in kinds if isinstance(kind, type) and kind not in _PLAIN]
    if len(classes) > 1 and isinstance(value, Mapping) and "_target_" not in value:
        raise _untold(path, " or ".join(map(_name, classes)))
    for kind in kinds:
        try:
            return construct(kind, value, path, plugins)
        except _WrongTypeError as error:
            if error.path != path:
                raise
    shown = value.get("_target_", value) if isinstance(value, Mapping) else value
    raise _wrong(path, shown, " or ".join(_name(kind) for kind in kinds))


def _literal(choices: Sequence[object], value: object, path: str) -> object:
    if value in choices:
        return value
    raise _wrong(path, value, "one of " + ", ".join(map(str, choices)))


def _sequence(kind: Any, value: object, path: str, plugins: Sequence[str]) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _wrong(path, value, f"a list of {_name(kind)}")
    return tuple(construct(kind, item, f"{path}[{index}]", plugins) for index, item in enumerate(value))


def _mapping(kind: Any, value: object, path: str, plugins: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(path, value, "a mapping")
    return {str(name): construct(kind, item, f"{path}.{name}", plugins) for name, item in value.items()}


def _scalar(kind: type, value: object, path: str) -> object:
    if isinstance(value, int | float) and kind is float and not isinstance(value, bool):
        # A comparison holds for integers that are too large to be a float.
        if not abs(value) <= sys.float_info.max:
            raise _wrong(path, value, "a finite number")
        return float(value)
    if type(value) is not kind:
        raise _wrong(path, value, _name(kind))
    if isinstance(value, int) and not -_MOST <= value < _MOST:
        raise _wrong(path, value, "an integer of 64 bits")
    return value


def _object(kind: type, value: object, path: str, plugins: Sequence[str]) -> Any:
    if not isinstance(value, Mapping):
        raise _wrong(path, value, f"a configuration of {_name(kind)} with _target_")
    target = value.get("_target_")
    if "_target_" in value and not isinstance(target, str):
        raise _wrong(f"{path}._target_", target, f"the name of a class of {_name(kind)}")
    if target is None and inspect.isabstract(kind):
        raise _untold(path, _name(kind))
    cls = kind if target is None else class_of(kind, target, plugins, path)
    if not issubclass(cls, kind):
        raise _WrongTypeError(path, f"{path}._target_={target}: is no {_name(kind)}; choose one that is")
    if lacking := sorted(getattr(cls, "__abstractmethods__", ())):
        raise ConfigurationError(f"{path}._target_={target}: lacks {', '.join(lacking)}; define it")
    return _call(cls, {name: item for name, item in value.items() if name != "_target_"}, path, plugins)


def _call(cls: type, values: Mapping[str, object], path: str, plugins: Sequence[str]) -> Any:
    kinds, required = _fields(cls)
    for name in values:
        if name not in kinds:
            raise unknown(_below(path, name), name, kinds)
    if missing := [name for name in required if name not in values]:
        raise ConfigurationError(f"{_below(path, missing[0])}: missing; give it a value, {cls.__name__} needs it")
    arguments = {
        name: construct(kind, values[name], _below(path, name), plugins)
        for name, kind in kinds.items()
        if name in values
    }
    try:
        return cls(**arguments)
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}" if path else str(error)) from None


@cache
def _fields(cls: type) -> tuple[dict[str, Any], list[str]]:
    """Annotations of the constructor's parameters, and which have no default."""
    parameters = inspect.signature(cls).parameters.values()
    required = [parameter.name for parameter in parameters if parameter.default is inspect.Parameter.empty]
    try:
        return _annotations(cls), required
    except NameError as error:
        raise ConfigurationError(f"{cls.__name__}: {error}; import it at run time, not for annotations only") from None


def _annotations(cls: type) -> dict[str, Any]:
    if dataclasses.is_dataclass(cls):
        # The annotations of an inherited field are read in the module that declares it.
        return {name: kind for name, kind in typing.get_type_hints(cls).items() if name in _names(cls)}
    annotated = inspect.signature(cls, eval_str=True).parameters.values()
    return {parameter.name: parameter.annotation for parameter in annotated}


def _names(cls: type) -> set[str]:
    """Fields that a configuration may give; others are filled in by the program."""
    return {field.name for field in dataclasses.fields(cls) if field.init and field.metadata.get("configured", True)}


def _below(path: str, name: object) -> str:
    """The path of a key in what stands at a path."""
    return f"{path}.{name}".lstrip(".")


def unknown(path: str, name: object, known: typing.Iterable[str]) -> ConfigurationError:
    """The error for a key that nothing reads, with the nearest known one."""
    names = list(known)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(names) or 'none'}"
    return ConfigurationError(f"{path}: unknown key; {hint}")


class _WrongTypeError(ConfigurationError):
    """The value at ``path`` does not have the type; another member of a union may still fit."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


def _wrong(path: str, value: object, expected: str) -> _WrongTypeError:
    shown = repr(value)
    shown = shown if len(shown) <= _WIDEST else f"{shown[:_WIDEST]}..."
    return _WrongTypeError(path, f"{path}={shown}: expected {expected}; change {path}")


def _untold(path: str, expected: str) -> ConfigurationError:
    return ConfigurationError(f"{path}: _target_ is missing; name a class of {expected}")


def _name(kind: Any) -> str:
    words = {int: "an integer", float: "a number", str: "a text", bool: "true or false", type(None): "null"}
    if get_origin(kind) is Literal:
        return ", ".join(map(str, get_args(kind)))
    return words.get(kind, getattr(kind, "__name__", str(kind)))
