"""Bad values of every leaf of a configuration, made from the leaf's annotated type."""

from __future__ import annotations

import dataclasses
import inspect
import math
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, get_args, get_origin

from omegaconf import OmegaConf

from fedkd.compose import configurations
from fedkd.configuration import resolve

NONSENSE = "nonsense"
WRONG = (NONSENSE, True, 2.5, [NONSENSE], {"a": 1}, None, math.nan, -math.inf, 10**400, 2**70)
"""One of every type, and the numbers that no field may have; those that fit a field are none of its bad values."""
PLAIN = (bool, int, float, str, type(None))
NUMBERS: dict[type, tuple[object, ...]] = {int: (-1, 0, 10**12), float: (-1.0, 0.0, 1e30)}
"""Below a range, at its end, and above it."""


class Leaf(NamedTuple):
    """A value of a configuration: the keys that lead to it, its type, and who has it (``trainers.Sgd.momentum``)."""

    keys: tuple[str, ...]
    kind: Any
    owner: str
    value: Any

    @property
    def path(self) -> str:
        return ".".join(self.keys)


class Case(NamedTuple):
    """A leaf with a value that it may not have, and words of which the answer has one."""

    leaf: Leaf
    value: object
    names: tuple[str, ...]
    shown: tuple[str, ...]
    probe: bool = False
    is_target: bool = False

    def of(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration with this value in it."""
        node = changed = dict(values)
        for key in self.leaf.keys[:-1]:
            node[key] = dict(node[key])
            node = node[key]
        node[self.leaf.keys[-1]] = self.value
        return changed


def leaves(kind: Any, value: Any, keys: tuple[str, ...] = (), owner: str = "") -> Iterator[Leaf]:
    """Every value below (and with) a value of a type."""
    if keys:
        yield Leaf(keys, kind, owner, value)
    if not isinstance(value, Mapping):
        return
    found = _class(kind, value)
    owner = found.__name__ if found else owner
    if "." in (target := str(value.get("_target_", ""))):
        owner = ".".join(target.split(".")[-2:])
    if found is None:
        kinds = {name: get_args(member)[1] for member in members(kind) if get_origin(member) is dict for name in value}
    else:
        kinds = annotations(found)
    for name, item in value.items():
        if name in kinds:
            yield from leaves(kinds[name], item, (*keys, name), f"{owner}.{name}")


def cases(leaf: Leaf) -> Iterator[Case]:
    """What the leaf may not be, by its type; and numbers that it may not be, unless a table has the reason."""
    for value in WRONG:
        if not any(_fits(member, value) for member in members(leaf.kind)):
            yield _plain(leaf, value)
    for member in members(leaf.kind):
        yield from (_plain(leaf, value)._replace(probe=True) for value in _probes(member))
    if isinstance(leaf.value, Mapping):
        yield from _objects(leaf)


def members(kind: Any) -> tuple[Any, ...]:
    """The types of a union; of another type, itself."""
    return get_args(kind) if get_origin(kind) in (typing.Union, types.UnionType) else (kind,)


def annotations(cls: type) -> dict[str, Any]:
    """The types of what a configuration may say of a class."""
    if not dataclasses.is_dataclass(cls):
        return {name: item.annotation for name, item in inspect.signature(cls, eval_str=True).parameters.items()}
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.name in hints}


def _class(kind: Any, value: Mapping[str, Any]) -> type | None:
    if "_target_" in value:
        return resolve(value["_target_"], ("tests",), "")
    return next((member for member in members(kind) if dataclasses.is_dataclass(member)), None)


def _fits(kind: Any, value: object) -> bool:
    if get_origin(kind) is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if get_origin(kind) is tuple:
        return isinstance(value, list) and all(_fits(get_args(kind)[0], item) for item in value)
    if get_origin(kind) is dict:
        return isinstance(value, Mapping) and all(_fits(get_args(kind)[1], item) for item in value.values())
    if isinstance(value, dict) and kind not in PLAIN:
        return True
    if isinstance(value, int) and not isinstance(value, bool):
        return kind in (int, float) and abs(value) < (2**63 if kind is int else 10**308)
    return type(value) is kind and not (isinstance(value, float) and not math.isfinite(value))


def _probes(kind: Any) -> tuple[object, ...]:
    if get_origin(kind) is tuple:
        return ([], *([item] for item in _probes(get_args(kind)[0])))
    return ("",) if kind is str else NUMBERS.get(kind, ())


def _plain(leaf: Leaf, value: object) -> Case:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    items = (value, *inner)
    shown = {form[:40] for item in items for form in (repr(item), str(item))}
    shown |= {f"{item:g}" for item in items if isinstance(item, float)}
    return Case(leaf, value, (leaf.path, leaf.keys[-1]), tuple(shown))


def _objects(leaf: Leaf) -> Iterator[Case]:
    """An unknown key, a missing one, and targets that are not what they should be."""
    names = [name for name in leaf.value if name != "_target_"]
    found = _class(leaf.kind, leaf.value)
    if found is not None:
        misspelt = f"{names[0]}z" if names else "zzz"
        yield Case(leaf, {**leaf.value, misspelt: 1}, (f"{leaf.path}.{misspelt}",), (misspelt,), is_target=True)
    if "_target_" not in leaf.value:
        return
    target = leaf.value["_target_"]
    for wrong in ("os.system", "fedkd.errors.ConfigurationError", f"{target}z", "fedkd.compose.compose", 3, None):
        yield Case(
            leaf, {**leaf.value, "_target_": wrong}, (leaf.path,), (str(wrong),), is_target=wrong == f"{target}z"
        )


def chosen(values: Mapping[str, Any], group: str, name: str) -> dict[str, Any]:
    """The configuration with another choice of a group: Hydra's composition of one file, much faster.

    Raises:
        FileNotFoundError: there is no such choice.
    """
    path = configurations() / group / f"{name}.yaml"
    run = OmegaConf.create({"clients": values["clients"], "task": values["task"], "file": OmegaConf.load(path)})
    content = OmegaConf.to_container(run.file, resolve=True)
    assert isinstance(content, dict)
    changed = dict(values)
    for entry in content.pop("defaults", []):
        for key, choice in entry.items():
            changed = chosen(changed, key.removeprefix("override /"), choice)
    is_global = "# @package _global_" in path.read_text()
    return _merged(changed, content if is_global else {group: content})


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes take the place of what they name; one that names no class is of a part."""
    merged = dict(values)
    for name, change in changes.items():
        is_part = isinstance(change, dict) and change and "_target_" not in change and name != "compare"
        merged[name] = _merged(merged.get(name, {}), change) if is_part else change
    return merged
