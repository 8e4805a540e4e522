"""Importing the package is cheap: torch is not touched, numba is not imported, nothing is compiled."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import fedkd_compression

PACKAGE = str(Path(fedkd_compression.__file__).parents[1])
IMPORTS = ("fedkd_compression", "fedkd_compression.testing")
UNTOUCHED = """
import sys, types

class Untouched(types.ModuleType):
    def __getattr__(self, name):
        raise AssertionError(f"torch.{name} was used at import")

sys.modules["torch"] = Untouched("torch")
import NAME, fedkd_compression
assert fedkd_compression.QSGD(levels=4).omega(16) == 1.0
assert "numba" not in sys.modules and "fedkd_compression.kernels.compiled" not in sys.modules
"""
MEASURED = """
import json, sys, time
start = time.perf_counter()
import numpy, torch
middle, before = time.perf_counter(), set(sys.modules)
import NAME
end = time.perf_counter()
print(json.dumps([sorted(set(sys.modules) - before), middle - start, end - middle]))
"""
MOST_MODULES = {"fedkd_compression": 80, "fedkd_compression.testing": 95}
"""Beside those of torch and NumPy; nearly all are the package's own files."""
MOST_FOREIGN = 5
MOST_TIME = 0.25
"""In units of the time that torch and NumPy take."""
HEAVY = ("torch.distributed", "flwr", "pandas", "numba", "llvmlite", "triton", "scipy", "torch._dynamo", "hydra")


def _run(script, name):
    command = [sys.executable, "-c", script.replace("NAME", name)]
    return subprocess.run(command, env={"PYTHONPATH": PACKAGE}, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("name", IMPORTS)
def test_torch_and_numba_wait_for_their_first_use(name):
    _run(UNTOUCHED, name)


@pytest.mark.parametrize("name", IMPORTS)
def test_few_modules_come_with_the_package_and_no_heavy_one(name):
    modules, reference, own = json.loads(_run(MEASURED, name))
    assert len(modules) <= MOST_MODULES[name]
    assert len([module for module in modules if not module.startswith("fedkd_compression")]) <= MOST_FOREIGN
    assert not [module for module in modules if module.startswith(HEAVY)]
    assert not [module for module in modules if module.startswith(("fedkd_compression.kernels.compiled", "fedkd."))]
    assert own <= MOST_TIME * reference
