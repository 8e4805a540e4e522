"""Changes: where two resolved configurations part, and what of it a resumed run may take over."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from fedkd.errors import ConfigurationError

WHERE = ("executor", "schedule", "residency")
"""Groups that say where a run happens: they leave no trace in its result."""
UNTRACED = frozenset({"rounds", "resume", "changed", "recorder", *WHERE})
"""Keys that may differ at any time: how far a run goes, where it happens, and how it is told."""
_MEMORIES = "memories at both ends were made with it"
_PLACE = "the run stays in its folder"
FIXED = {
    "seed": "all that is random comes from it",
    "init": "the first model was made from it",
    "clients": "states and parts are numbered by them",
    "data": "states were made with its samples",
    "partitioner": "clients keep their samples",
    "model": "states are vectors of its parameters",
    "algorithm": _MEMORIES,
    "uplink": _MEMORIES,
    "downlink": _MEMORIES,
    "store": "clients' states lie in it",
    "reduce_from": "it says where memories are",
    "participation": "clients have states of rounds after the checkpoint, and must be asked in them again",
    "checkpoint_keep": "clients' files have room for so many",
    "name": _PLACE,
    "folder": _PLACE,
}
"""Keys that never change, and why: the state would not fit."""

Differences = dict[str, tuple[Any, Any]]
"""Values by dotted key, before and after; None where there is none."""


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Differences:
    """Where two nested mappings part; lists are compared whole.

    Example:
        >>> differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": 2.0}})
        {'a.b': (1, 3)}
    """
    old, new = dict(by_path(before)), dict(by_path(after))
    pairs = ((path, (old.get(path), new.get(path))) for path in {**old, **new})
    return {path: (first, second) for path, (first, second) in pairs if first != second}


def traced(before: Mapping[str, Any], after: Mapping[str, Any]) -> Differences:
    """The differences of two configurations that leave a trace in a run."""
    found = differences(before, after)
    return {path: pair for path, pair in found.items() if _group(path) not in UNTRACED}


def replaced(before: Mapping[str, Any], after: Mapping[str, Any], paths: Collection[str]) -> dict[str, Any]:
    """``before`` with the values of ``after`` under some keys."""
    result: dict[str, Any] = json.loads(json.dumps(before))
    for path in paths:
        *above, last = path.split(".")
        there, source = result, dict(after)
        for name in above:
            there, source = there.setdefault(name, {}), source.get(name) or {}
        if last in source:
            there[last] = source[last]
        else:
            there.pop(last, None)
    return result


def admit_changes(found: Differences, names: Sequence[str]) -> None:
    """Refuse what differs and is not named, what can never change, and names of what does not differ.

    Args:
        found: differences of the kept configuration and the one that is asked for.
        names: each covers a key and everything below it.

    Raises:
        ConfigurationError: in one line, with both values.
    """
    if fixed := {path: pair for path, pair in found.items() if _group(path) in FIXED}:
        reasons = " and ".join(dict.fromkeys(FIXED[_group(path)] for path in fixed))
        raise ConfigurationError(f"{_listed(fixed)}: cannot change, {reasons}; drop it, or start a new run")
    if unnamed := {path: pair for path, pair in found.items() if not any(_covers(name, path) for name in names)}:
        named = ",".join([*names, *_names(unnamed)])
        raise ConfigurationError(
            f"{_listed(unnamed)}: a resumed run keeps its configuration; drop it, add changed=[{named}], or start a "
            "new run"
        )
    for name in names:
        if not any(_covers(name, path) for path in found):
            raise ConfigurationError(f"changed=[{name}]: what was kept is the same; drop {name}")


def by_path(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a nested mapping that are no mappings, by dotted keys.

    Example:
        >>> dict(by_path({"a": {"b": 1}, "c": [2]}))
        {'a.b': 1, 'c': [2]}
    """
    for name, item in value.items():
        if isinstance(item, Mapping):
            yield from by_path(item, f"{path}{name}.")
        else:
            yield f"{path}{name}", item


def _covers(name: str, path: str) -> bool:
    return path == name or path.startswith(f"{name}.")


def _names(found: Differences) -> list[str]:
    """The shortest names that cover what differs: a group where its choice does, else the key."""
    groups = [path.removesuffix("._target_") for path in found if path.endswith("._target_")]
    named = (next((group for group in groups if _covers(group, path)), path) for path in found)
    return list(dict.fromkeys(named))


def _group(path: str) -> str:
    return path.partition(".")[0]


def _listed(found: Differences) -> str:
    """Every key with both values."""
    return ", ".join(f"{path}: {json.dumps(kept)} -> {json.dumps(asked)}" for path, (kept, asked) in found.items())
