"""Installed packages that declare operators, as far as Python's own metadata reads them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

OPERATOR = """
from dataclasses import dataclass
from fedkd_compression import Code, Operator, OperatorError

@dataclass(frozen=True)
class Mine(Operator):
    size: int = 2

    def __post_init__(self):
        if self.size < 1:
            raise OperatorError(f"Mine: size={self.size} is below 1; choose size >= 1")

    def encode(self, rows, key):
        return Code(values=rows)

    def decode(self, code, key, dim):
        return code.values
"""


def install(folder: Path, package: str, entries: Mapping[str, str], source: str = OPERATOR) -> None:
    """Lay a package down as pip does: its module, and metadata with entries of the group ``fedkd.compressors``."""
    module = folder / package.replace("-", "_")
    module.mkdir()
    (module / "__init__.py").write_text(source)
    metadata = folder / f"{module.name}-2.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 2.0\n")
    lines = [f"{name} = {value}" for name, value in entries.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[fedkd.compressors]", *lines, ""]))


@contextmanager
def only(folder: Path) -> Iterator[None]:
    """Inside, nothing is installed but what ``folder`` holds; what was imported from there is forgotten at the end."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(folder)])
        importlib.invalidate_caches()
        yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]
