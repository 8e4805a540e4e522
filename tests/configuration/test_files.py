"""The YAML files: their keys are the fields of the classes that they name, and every choice composes."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from fedkd.compose import compose, configurations
from fedkd.configuration import Settings, resolve

CONFIGS = configurations()
FILES = sorted(path for path in CONFIGS.glob("*/*.yaml") if path.parent.name != "experiment")
CHOICES = [f"{path.parent.name}={path.stem}" for path in sorted(CONFIGS.glob("*/*.yaml"))]
FOREIGN = ["plugins=[tests]", "task=foreign", "task._target_=tests.tasks.foreign_code.Blobs"]
GIVEN = {
    "data=npz": ["data.path=x"],
    "data=libsvm": ["data.path=x"],
    "data=folder": ["data.path=x"],
    "latency=trace": ["latency.path=x"],
    "deadline=after": ["deadline.seconds=60"],
    "deadline=quantile": ["admission=drop"],
    "deadline=ski_rental": ["deadline.price=60", "admission=drop"],
    "data=foreign": FOREIGN,
    "task=foreign": FOREIGN,
}
GROUP_CLASS = {"algorithm": "fedkd.algorithms.algorithm.Row"}
PARTIAL = ("uplink", "downlink")
"""Groups whose files set a part of an object: a link's operator comes from one file, its memory from another."""


def objects(node: object) -> Iterator[Mapping[str, object]]:
    """Every mapping that names a class, at any depth."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield node
        for value in node.values():
            yield from objects(value)


def fields(target: str) -> list[str]:
    kind = resolve(target, (), "file")
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind) if field.metadata.get("configured", True)]
    return list(inspect.signature(kind).parameters)


def content(path: Path) -> dict[str, object]:
    run = OmegaConf.create({"clients": 20, "task": {}, "file": OmegaConf.load(path)})
    found = OmegaConf.to_container(run.file, resolve=True)
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_keys_are_exactly_the_fields(path: Path) -> None:
    found = content(path)
    named = list(objects(found))
    assert named or found == {}, "a file names a class, or says that there is none"
    for node in named:
        assert [key for key in node if key != "_target_"] == fields(str(node["_target_"])), node["_target_"]
    for group, target in GROUP_CLASS.items():
        if path.parent.name == group:
            row = found[group]
            assert isinstance(row, dict)
            assert list(row) == fields(target)


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_sets_only_groups_and_their_own_keys(path: Path) -> None:
    found = content(path)
    if "_target_" in found or not found:
        return
    if path.parent.name in PARTIAL:
        assert set(found) == {"operator"}
        return
    groups = {folder.name for folder in CONFIGS.iterdir() if folder.is_dir()}
    assert set(found) - {"defaults"} <= groups


def test_top_level_keys_are_the_fields_of_settings() -> None:
    composed = compose([])
    assert set(composed) == set(typing.get_type_hints(Settings))


def test_every_group_is_a_field() -> None:
    groups = {path.parent.name for path in CONFIGS.glob("*/*.yaml")}
    assert groups - {"experiment"} <= set(typing.get_type_hints(Settings))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_composes_to_settings(choice: str) -> None:
    settings = Settings.of(compose([choice, *GIVEN.get(choice, [])]))
    assert settings.rounds >= 1
