"""The benchmark of meta-training at its smallest: both jobs find the same gradients, and the file tells of it."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MPIRUN = Path(sys.executable).with_name("mpirun")


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.skipif(not (MPIRUN.is_file() and importlib.util.find_spec("mpi4py")), reason="no mpirun, or no mpi4py")
def test_the_command_line_leaves_its_results(tmp_path):
    sizes = ["--families", "quadratics,quadratics,quadratics", "--particles", "2", "--steps", "3"]
    command = [sys.executable, str(BENCHMARKS / "metatraining.py"), *sizes, "--out", str(tmp_path / "out.json")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["terms"]["families"] == ["quadratics"] * 3
    assert len(found["ratios"]) == 3
    assert min(found["ratios"]) <= found["speed-up"] <= max(found["ratios"])
    assert found["largest difference"] == 0 < found["largest gradient"]
    assert f"{found['speed-up']:.2f} times as fast" in printed
