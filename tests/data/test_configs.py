"""Every YAML of the groups data, partitioner and model fits the class that it names."""

from __future__ import annotations

import dataclasses
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

ROOT = Path(__file__).parents[2]
GROUPS = {
    "data": "auto digits mnist5k fashion libsvm least_squares logistic hierarchical npz folder foreign",
    "partitioner": "iid dirichlet shard pathological linear natural_id",
    "model": "mlp cnn resnet fedavg_cnn fashion_cnn mnist_cnn linear projected projected_resnet",
}
FILES = [f"{group}/{name}.yaml" for group, names in GROUPS.items() for name in names.split()]
MISSING = "given-by-the-user"


def read(name: str) -> tuple[type, dict[str, object]]:
    """The class that the file names, and the values that it gives; a list becomes a tuple."""
    run = OmegaConf.create({"clients": 20, "task": {}, "group": OmegaConf.load(ROOT / "configs" / name)})
    values = OmegaConf.to_container(run.group, resolve=True)
    assert isinstance(values, dict)
    module, _, target = str(values.pop("_target_")).rpartition(".")
    plain = {
        str(field): MISSING if value == "???" else tuple(value) if isinstance(value, list) else value
        for field, value in values.items()
    }
    return getattr(importlib.import_module(module), target), plain


def test_every_file_is_listed_here() -> None:
    found = {str(path.relative_to(ROOT / "configs")) for g in GROUPS for path in (ROOT / "configs" / g).iterdir()}
    assert found - {"model/none.yaml"} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_keys_equal_the_fields_which_have_no_defaults(name: str) -> None:
    target, values = read(name)
    fields = dataclasses.fields(target)
    assert list(values) == [field.name for field in fields]
    assert all(field.default is dataclasses.MISSING for field in fields)


@pytest.mark.parametrize("name", FILES)
def test_values_are_accepted(name: str) -> None:
    target, values = read(name)
    assert target(**values) == target(**values)


def test_configurations_are_answered_before_torch_is_loaded() -> None:
    script = f"""
import importlib, json, sys, types
class Absent(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise SystemExit(f"torch.{{name}} was touched")
sys.path[:0] = {[str(ROOT), *sys.path]!r}
for name in ("torch", "sklearn", "mlxtend", "scipy", "numba"):
    sys.modules[name] = Absent(name)
import fedkd.data, fedkd.models
for module, target, values in {[(t.__module__, t.__name__, v) for t, v in map(read, FILES)]!r}:
    getattr(importlib.import_module(module), target)(**values)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
