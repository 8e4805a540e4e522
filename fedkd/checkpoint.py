"""Checkpoints: the whole state of a run in one safetensors file, replaced in one step.

State is a value, so a checkpoint is that value written down: tensors as tensors, the rest as JSON in the
file's metadata. Nothing is pickled. The file is written beside the old one, flushed to disk, and renamed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from fedkd.algorithms import ServerState
from fedkd.algorithms.downlinks import DownlinkState
from fedkd.algorithms.uplinks import UplinkState
from fedkd.clients import ClientState
from fedkd.durable import replace_bytes
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class RunState:
    """What a checkpoint holds; workers hold nothing that the server could not tell them.

    Args:
        clients: states that only the workers' memory keeps; empty where they are in files, or the clients' own.
        volatile: whether they were the clients' own, so that clients must start anew when the run is resumed.
    """

    server: ServerState
    clients: Mapping[int, ClientState]
    volatile: bool = False


_KINDS = {kind.__name__: kind for kind in (RunState, ServerState, DownlinkState, UplinkState, ClientState)}
_FILE = "checkpoint.safetensors"


def save(folder: Path, state: RunState) -> None:
    """Replace the folder's checkpoint; a crash leaves either the old or the new one, whole."""
    tensors: dict[str, Tensor] = {}
    described = json.dumps(_describe(state, tensors))
    write_tensors(folder / _FILE, tensors, {"state": described})


def exists(folder: Path) -> bool:
    """Whether the folder holds a checkpoint; a run that was cut off in its first round has none."""
    return (folder / _FILE).is_file()


def load(folder: Path) -> RunState:
    """Read a folder's checkpoint.

    Raises:
        ConfigurationError: there is none, or it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / _FILE
    if not path.is_file():
        raise ConfigurationError(f"resume={folder}: no {_FILE} there; name the folder of a run that kept one")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            described = json.loads(file.metadata()["state"])
    except (SafetensorError, KeyError, TypeError, ValueError):
        raise ConfigurationError(f"resume={folder}: {_FILE} is damaged; delete it to begin again") from None
    state: RunState = _restore(described, tensors)
    return state


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Replace a safetensors file in one step."""
    from safetensors.torch import save as serialise

    replace_bytes(path, serialise({name: tensor.contiguous() for name, tensor in tensors.items()}, dict(metadata)))


def _describe(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Plain JSON for a value; its tensors and bytes move into ``tensors``."""
    if isinstance(value, torch.Tensor):
        return {"tensor": _keep(value.detach(), tensors)}
    if isinstance(value, bytes):
        return {"bytes": _keep(torch.frombuffer(bytearray(value), dtype=torch.uint8), tensors)}
    if isinstance(value, Mapping):
        return {"map": [[key, _describe(item, tensors)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_describe(item, tensors) for item in value]}
    if dataclasses.is_dataclass(value):
        fields = {field.name: _describe(getattr(value, field.name), tensors) for field in dataclasses.fields(value)}
        return {"kind": type(value).__name__, "fields": fields}
    return value


def _keep(tensor: Tensor, tensors: dict[str, Tensor]) -> str:
    name = str(len(tensors))
    tensors[name] = tensor.clone()
    return name


def _restore(described: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The value that ``_describe`` described."""
    if not isinstance(described, dict):
        return described
    if "tensor" in described:
        return tensors[described["tensor"]]
    if "bytes" in described:
        return tensors[described["bytes"]].numpy().tobytes()
    if "map" in described:
        return {key: _restore(item, tensors) for key, item in described["map"]}
    if "tuple" in described:
        return tuple(_restore(item, tensors) for item in described["tuple"])
    fields = {name: _restore(item, tensors) for name, item in described["fields"].items()}
    return _KINDS[described["kind"]](**fields)
