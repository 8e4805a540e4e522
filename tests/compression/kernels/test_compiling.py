"""One line says that kernels are compiled, only where they are, and the next process finds them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fedkd_compression

PACKAGE = Path(fedkd_compression.__file__).parent
SCRIPT = """
import sys
import numpy as np
from fedkd_compression.kernels import compiled
print("imported", file=sys.stderr)
compiled.words(np.array([1], np.uint64), 5)
compiled.dither(np.array([1], np.uint64), 5)
"""
ONCE = ["imported", "fedkd_compression: compiling its kernels, once for this machine (about 20 s)"]


def _said(package, **environment):
    """The lines of a process that uses two kernels."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "PYTEST"))}
    command = [sys.executable, "-W", "error", "-c", SCRIPT]
    environment = clean | {"PYTHONPATH": str(package.parent)} | environment
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stderr.splitlines()


@pytest.fixture
def read_only(tmp_path):
    """A copy of the package in which numba cannot make its folder."""
    package = tmp_path / "installed" / "fedkd_compression"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (package / "kernels" / "compiled", package):
        (folder / "__pycache__").touch()
    return package


@pytest.mark.slow
def test_the_line_is_said_once_and_not_by_the_next_process(tmp_path):
    assert _said(PACKAGE, NUMBA_CACHE_DIR=str(tmp_path)) == ONCE
    assert _said(PACKAGE, NUMBA_CACHE_DIR=str(tmp_path)) == ["imported"]


@pytest.mark.slow
def test_a_package_that_cannot_be_written_is_kept_in_the_cache_of_the_user(read_only, tmp_path):
    assert _said(read_only, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache")) == ONCE
    assert list((tmp_path / "cache").rglob("*.nbi"))


@pytest.mark.slow
def test_without_any_folder_kernels_work_and_the_line_says_what_to_do(read_only, tmp_path):
    (tmp_path / "file").touch()
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"), str(tmp_path / "file" / "below"))
    assert _said(read_only, **nowhere) == [
        "imported",
        "fedkd_compression: compiling its kernels in every process, for no folder of a cache can be written; "
        "name one in NUMBA_CACHE_DIR",
    ]
