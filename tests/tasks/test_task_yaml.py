"""The YAML files of tasks and teachers: keys equal fields, values pass the checks, nested models too."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from fedkd.models import Model
from fedkd.tasks import (
    ClassLogits,
    ConvexTask,
    CoTrained,
    Distillation,
    GlobalModel,
    LeastSquares,
    Local,
    Logistic,
    Matching,
    PastModels,
    Pretrained,
    RelationExchange,
    ReSSL,
    SelfSupervised,
    Supervised,
    Task,
    Teacher,
)

CONFIGS = Path(__file__).parents[2] / "configs"
TEACHERS = [path for path in (CONFIGS / "teacher").glob("*.yaml") if path.stem != "none"]
TASKS = [path for path in (CONFIGS / "task").glob("*.yaml") if path.stem != "foreign"]
FILES = sorted([*TASKS, *TEACHERS])


def read(path: Path) -> object:
    """What a file describes; a file that also sets other groups has its own under the group's name."""
    content = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(content, dict)
    return build(content.get(path.parent.name, content))


def build(node: object) -> object:
    """An object from a plain mapping with a ``_target_``; anything else as it is."""
    if not isinstance(node, dict):
        return tuple(node) if isinstance(node, list) else node
    if "_target_" not in node:
        return {key: build(value) for key, value in node.items()}
    module, name = node["_target_"].rsplit(".", 1)
    kind = getattr(importlib.import_module(module), name)
    values = {key: build(value) for key, value in node.items() if key != "_target_"}
    assert set(values) == {field.name for field in dataclasses.fields(kind)}
    return kind(**values)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_keys_equal_fields_and_values_are_accepted(path: Path) -> None:
    built = read(path)
    assert isinstance(built, Teacher if path.parent.name == "teacher" else Task | SelfSupervised | ConvexTask)


def test_every_task_and_teacher_has_a_file() -> None:
    built = {type(read(path)) for path in FILES}
    tasks = {Supervised, Distillation, Matching, RelationExchange, ReSSL, LeastSquares, Logistic}
    assert built == tasks | {Pretrained, Local, GlobalModel, CoTrained, PastModels, ClassLogits}


def test_teachers_models_are_model_configurations() -> None:
    for name in ("pretrained", "local"):
        built = read(CONFIGS / "teacher" / f"{name}.yaml")
        assert isinstance(built, Pretrained | Local)
        assert isinstance(built.model, Model)
