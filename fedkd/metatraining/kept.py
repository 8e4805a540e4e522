"""Checkpoints of a meta-training: a file for every group, by the rank that computes it, and one for theta.

The file of theta is written last, and says of which step the groups' files are to be taken; older ones go afterwards.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fedkd.checkpoints.tensors import write_tensors
from fedkd.durable import make_folder, replace_bytes
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.metatraining.terms import Terms
    from fedkd.metatraining.training import MetaTraining

STATE, THETA, LOG = "training.safetensors", "theta.safetensors", "log.jsonl"
FREE = ("output", "checkpoint_every")
"""Terms that a training may change when it goes on."""


def save(training: MetaTraining) -> None:
    """Keep everything, and theta as it is to be used, with the terms on which it learned; a collective call.

    Args:
        training: after a step.

    Raises:
        StorageError: the disk is full, or read-only; the checkpoint before is there still.
    """
    folder, step = Path(training.terms.output), training.learner.step
    make_folder(folder)
    for group, unrolls in training.groups.items():
        write_tensors(_group(folder, group, step), unrolls.state(), {})
    training.exchange.meet()
    if training.exchange.rank == 0:
        terms = dataclasses.asdict(training.terms)
        learned = {name: value for name, value in terms.items() if name not in FREE}
        facts = {"terms": json.dumps(learned), "step": str(step)}
        replace_bytes(folder / THETA, training.learner.theta.pack(facts))
        known = {**training.learner.state(), "totals": training.totals}
        write_tensors(folder / STATE, known, {"terms": json.dumps(terms)})
    training.exchange.meet()
    for group in training.groups:
        for old in folder.glob(_group(folder, group, "*").name):
            if old != _group(folder, group, step):
                old.unlink(missing_ok=True)


def resume(training: MetaTraining) -> bool:
    """Take up the checkpoint in the output folder, if there is one; the result says so.

    Raises:
        ConfigurationError: it is of another training, or a file of it is missing or broken.
    """
    folder = Path(training.terms.output)
    if not (folder / STATE).exists():
        return False
    terms, known = _read(folder / STATE)
    _require_same(training.terms, json.loads(terms.get("terms", "{}")), folder)
    step = int(known["at"])
    # Every rank reads all of them: so all refuse what is broken, rank 0 among them, which says it.
    groups = [_read(_group(folder, group, step))[1] for group in range(len(training.terms.families))]
    training.learner.restore(known)
    training.totals.copy_(known["totals"])
    for group, unrolls in training.groups.items():
        unrolls.restore(groups[group])
    return True


def _group(folder: Path, group: int, step: int | str) -> Path:
    return folder / f"group-{group}-{step}.safetensors"


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {}), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:
        raise ConfigurationError(f"{path}: cannot be read ({error}); delete the folder to begin anew") from None


def _require_same(now: Terms, kept: Mapping[str, object], folder: Path) -> None:
    asked = json.loads(json.dumps(dataclasses.asdict(now)))
    differing = [name for name in asked if name not in FREE and kept.get(name) != asked[name]]
    if differing:
        name = differing[0]
        raise ConfigurationError(
            f"{name}={asked[name]}: {folder} holds a meta-training with {name}={kept.get(name)}; choose another output"
        )
