"""Importing the package is cheap: torch is not touched, numba is not imported, nothing is compiled."""

import subprocess
import sys
from pathlib import Path

import fedkd_compression

SCRIPT = """
import sys, types

class Untouched(types.ModuleType):
    def __getattr__(self, name):
        raise AssertionError(f"torch.{name} was used at import")

sys.modules["torch"] = Untouched("torch")
import fedkd_compression, fedkd_compression.testing
assert fedkd_compression.QSGD(levels=4).omega(16) == 1.0
assert "numba" not in sys.modules and "fedkd_compression.kernels.compiled" not in sys.modules
"""


def test_torch_and_numba_wait_for_their_first_use():
    package = str(Path(fedkd_compression.__file__).parents[1])
    subprocess.run([sys.executable, "-c", SCRIPT], env={"PYTHONPATH": package}, check=True)
