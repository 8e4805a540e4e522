"""A state is a value: its tensors are written as tensors, the rest as JSON. Nothing is pickled."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

Keep = Callable[["Tensor"], str]
"""Takes a tensor and says under which name it is kept."""
Find = Callable[[str], "Tensor"]
"""The tensor of a name."""
MANY = 64
"""Whole numbers from which a mapping of them is written as a tensor."""


def describe(value: Any, keep: Keep) -> Any:
    """Plain JSON for a value: a dataclass, mapping, tuple, tensor, array, bytes, number or text."""
    if isinstance(value, torch.Tensor):
        return {"tensor": keep(value)}
    if isinstance(value, np.ndarray):
        return {"array": keep(torch.from_numpy(value))}
    if isinstance(value, bytes):
        return {"bytes": keep(torch.frombuffer(bytearray(value), dtype=torch.uint8)) if value else None}
    if isinstance(value, Mapping):
        if _whole(value):
            return {"counts": keep(torch.tensor([*value.items()], dtype=torch.int64))}
        return {"map": [[key, describe(item, keep)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [describe(item, keep) for item in value]}
    if dataclasses.is_dataclass(value):
        fields = {field.name: describe(getattr(value, field.name), keep) for field in dataclasses.fields(value)}
        return {"kind": type(value).__name__, "fields": fields}
    return value


def restore(described: Any, find: Find, kinds: Mapping[str, type]) -> Any:
    """The value that ``describe`` described; ``kinds`` are the dataclasses that may be in it."""
    if not isinstance(described, dict):
        return described
    word: str
    content: Any
    word, content = next(iter(described.items())) if len(described) == 1 else ("kind", described)
    match word:
        case "tensor":
            return find(content)
        case "array":
            return find(content).numpy()
        case "bytes":
            return b"" if content is None else find(content).numpy().tobytes()
        case "counts":
            return dict(find(content).tolist())
        case "map":
            return {key: restore(item, find, kinds) for key, item in content}
        case "tuple":
            return tuple(restore(item, find, kinds) for item in content)
    fields = {name: restore(item, find, kinds) for name, item in content["fields"].items()}
    return kinds[content["kind"]](**fields)


def _whole(value: Mapping[Any, Any]) -> bool:
    """Whether a mapping is long, and of whole numbers to whole numbers."""
    return len(value) >= MANY and all(type(key) is int and type(item) is int for key, item in value.items())
