"""Initialisation: a run's first model, as far as the model.safetensors of another run has it.

    x_j = tensor j of the file                          where it has one of this name and shape
    x_j = the first values drawn from the run's key     elsewhere

So the trunk of a network that was trained under one head goes on under another. Only the server reads the file: its
model reaches the clients as messages, and a checkpoint has all that a resumed run needs.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fedkd.errors import ConfigurationError
from fedkd.records.manifest import MANIFEST, read_manifest
from fedkd.tasks.ressl.teacher import NAMES
from fedkd_compression.kernels.portable.exact import BOUND

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.learner import Resident
    from fedkd_compression import Named

MODEL = "model.safetensors"
"""The file that a run leaves behind."""
STATISTICS = ("running_mean", "running_var")
"""End the names of a BatchNorm's running statistics."""
_SHOWN = 4
"""Names that are listed one by one."""


@dataclass(frozen=True)
class Origin:
    """What a first model was made from.

    Args:
        path: as the configuration names it.
        sha256: of the file.
        taken: names of the tensors that come from the file, in the model's order.
        anew: those that keep their first values.
        unused: names of the file, outside the head, that the model does not have: another norm's statistics, for one.
    """

    path: str
    sha256: str
    taken: tuple[str, ...]
    anew: tuple[str, ...]
    unused: tuple[str, ...]

    def facts(self) -> dict[str, object]:
        """As the manifest keeps it."""
        return asdict(self)

    @property
    def line(self) -> str:
        """What is announced.

        Example:
            >>> Origin("runs/a", "", ("0.weight", "0.bias"), ("2.weight", "2.bias"), ()).line
            'init=runs/a: 2 of 4 tensors taken; 2.weight and 2.bias start anew'
        """
        count, total = len(self.taken), len(self.taken) + len(self.anew)
        parts = [f"init={self.path}: {f'{count} of' if self.anew else 'all'} {total} tensors taken"]
        if self.anew:
            parts.append(f"{_listed(self.anew)} {'starts' if len(self.anew) == 1 else 'start'} anew")
        if self.unused:
            parts.append(f"{_listed(self.unused)} of the file {'is' if len(self.unused) == 1 else 'are'} not used")
        return "; ".join(parts)


def check_file(init: str) -> None:
    """Refuse a file that cannot be read, before anything is loaded: its header and its length tell.

    Args:
        init: folder of a run, or its model.safetensors.

    Raises:
        ConfigurationError: it is missing, damaged or empty.
    """
    from safetensors import SafetensorError, safe_open

    path = _file(init)
    try:
        with safe_open(path, "numpy") as file:
            names = list(file.keys())
    except (SafetensorError, OSError) as error:
        raise _damaged(init, error) from None
    if not names:
        raise ConfigurationError(f"init={init}: holds no tensor; name the folder of another run")


def take_up(init: str, learner: Resident, announce: Callable[[str], None]) -> Origin:
    """Let a learner begin with what a file has of its model.

    Args:
        init: folder of a run, or its model.safetensors.
        learner: with its first values; those that the file has are replaced.
        announce: told how much was taken.

    Raises:
        ConfigurationError: the file is missing or damaged, or its trunk is another one.
    """
    found, digest = _read(init)
    vector, head = learner.vector, _head(learner)
    mine = named(learner.tensors, vector)
    taken = [name for name in mine if name in found and found[name].shape == mine[name].shape]
    _require_fit(init, head, mine, found, taken)
    _require_same_trunk(init, head, learner, found)
    for name in taken:
        _require_sound(init, name, found[name], mine[name])
        mine[name].copy_(found[name])
    learner.load(vector)
    learner.completed([name for name in mine if name not in taken])
    anew = tuple(name for name in mine if name not in taken)
    unused = tuple(name for name in found if name not in mine and not _within(head, name))
    origin = Origin(init, digest, tuple(taken), anew, unused)
    announce(origin.line)
    return origin


def named(tensors: Sequence[Named], vector: Tensor) -> dict[str, Tensor]:
    """The tensors that are laid end to end in a vector [d], by their names, as views of it."""
    parts = torch.split(vector, [math.prod(tensor.shape) for tensor in tensors])
    return {tensor.name: part.view(tensor.shape) for tensor, part in zip(tensors, parts, strict=True)}


def _file(init: str) -> Path:
    """The file that is meant.

    Raises:
        ConfigurationError: it is not there.
    """
    path = Path(init)
    try:
        path = path / MODEL if path.is_dir() else path
        there = path.is_file()
    except OSError:
        there = False
    if not there:
        raise ConfigurationError(f"init={init}: no {MODEL} there; name the folder of a run that has ended")
    return path


def _read(init: str) -> tuple[dict[str, Tensor], str]:
    """All tensors of the file by their sorted names, and its sha256."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = _file(init)
    try:
        data = path.read_bytes()
        # The library gives them in any order.
        return dict(sorted(load(data).items())), hashlib.sha256(data).hexdigest()
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise _damaged(init, error) from None


def _damaged(init: str, error: Exception) -> ConfigurationError:
    said = " ".join(str(error).split()) or type(error).__name__
    return ConfigurationError(f"init={init}: cannot be read ({said}); name the folder of another run")


def _require_fit(
    init: str, head: str, mine: Mapping[str, Tensor], found: Mapping[str, Tensor], taken: Sequence[str]
) -> None:
    """Something fits, and of what has the same name only the head has another shape."""
    for name in mine:
        if name in found and name not in taken and not _within(head, name):
            raise ConfigurationError(
                f"init={init}: {name} is {list(found[name].shape)} there, {list(mine[name].shape)} here; "
                f"{_advice(init, head)}"
            )
    if not taken:
        raise ConfigurationError(
            f"init={init}: has {_listed(list(found))}, of which this model, {_listed(list(mine))}, can take nothing; "
            "choose the model of that run"
        )


def _require_same_trunk(init: str, head: str, learner: Resident, found: Mapping[str, Tensor]) -> None:
    """Outside the head both have the same parameters; what else travels may be on one side only."""
    mine, theirs = ({name for name in names if not _within(head, name)} for names in (learner.names, found))
    for where, alone in (("here", mine - theirs), ("there", theirs - mine)):
        if parameters := sorted(name for name in alone if not _is_carried(name)):
            raise ConfigurationError(
                f"init={init}: only the network {where} has {parameters[0]}; {_advice(init, head)}"
            )
    for name in sorted(theirs - mine):
        if name.endswith(STATISTICS) and isinstance(_owner(learner, name), torch.nn.GroupNorm):
            raise ConfigurationError(
                f"init={init}: {name} is of a BatchNorm, here is a GroupNorm; {_advice(init, head)}"
            )


def _is_carried(name: str) -> bool:
    """Whether a name is of what travels though no gradient moves it: running statistics, an averaged teacher."""
    return name.endswith(STATISTICS) or name.startswith(NAMES)


def _owner(learner: Resident, name: str) -> torch.nn.Module | None:
    """The layer that a tensor of this name would be of; None where there is none."""
    module: torch.nn.Module | None = getattr(learner, "module", None)
    return None if module is None else dict(module.named_modules()).get(name.rpartition(".")[0])


def _advice(init: str, head: str) -> str:
    """Which network can begin there: that of the run beside the file, where it says which it was."""
    allowed = f", of which only the head, {head}*, may differ" if head else ""
    folder = _file(init).parent
    if not (folder / MANIFEST).is_file():
        return f"choose the model of that run{allowed}"
    model: Mapping[str, object] = read_manifest(folder)["configuration"]["model"]
    trunk = model.get("trunk", model)
    assert isinstance(trunk, Mapping), "a run has a model or {}"
    fields = [f"{name}={value}" for name, value in trunk.items() if name != "_target_"]
    kind = str(trunk.get("_target_", "none")).rpartition(".")[2]
    return f"choose the model of that run{allowed}: {' '.join([kind, *fields])}"


def _require_sound(init: str, name: str, tensor: Tensor, like: Tensor) -> None:
    """A tensor that is taken has the model's precision, and values that can be summed."""
    if tensor.dtype != like.dtype:
        kinds = [str(dtype).removeprefix("torch.") for dtype in (tensor.dtype, like.dtype)]
        raise ConfigurationError(f"init={init}: {name} is {kinds[0]}, not {kinds[1]}; change it to {kinds[1]}")
    if not bool((tensor.abs() < BOUND).all()):
        raise ConfigurationError(
            f"init={init}: {name} has values that are not finite, or not below 2^32; choose a run that did not diverge"
        )


def _head(learner: Resident) -> str:
    """How the names of the head begin: of the last child that has parameters; empty where there are no children."""
    module = getattr(learner, "module", None)
    if not isinstance(module, torch.nn.Module):
        return ""
    children = [name for name, child in module.named_children() if next(child.parameters(), None) is not None]
    return f"{children[-1]}." if children else ""


def _within(head: str, name: str) -> bool:
    """Whether a tensor is of the head."""
    return bool(head) and name.startswith(head)


def _listed(names: Sequence[str]) -> str:
    """Some names, the last behind an "and".

    Example:
        >>> _listed(["a", "b", "c"])
        'a, b and c'
    """
    if len(names) > _SHOWN:
        return f"{', '.join(names[:_SHOWN])} and {len(names) - _SHOWN} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
