"""The compression library is a distribution of its own: built without a network, it imports and works without fedkd."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from importlib.util import find_spec
sys.path[:] = [place for place in sys.path if not place.endswith(sys.argv[1])]
sys.path.insert(0, sys.argv[2])
import fedkd_compression, torch
assert fedkd_compression.__file__.startswith(sys.argv[2]), fedkd_compression.__file__
operator, key = fedkd_compression.SubtractiveDither(step=1.0), fedkd_compression.Key.of(0)
frames, received = fedkd_compression.compress(operator, torch.ones(1, 10), key)
assert torch.equal(fedkd_compression.decompress(operator, frames, key, 10), received)
assert not any(name.split(".")[0] in ("fedkd", "hydra", "flwr", "mpi4py") for name in sys.modules)
"""


@pytest.mark.exhaustive
def test_it_builds_and_works_alone(tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--quiet"]
    subprocess.run([*build, "--wheel-dir", str(tmp_path), str(ROOT / "compression")], check=True)
    (wheel,) = tmp_path.glob("fedkd_compression-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "installed")
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"fedkd_compression"}
    assert {"fedkd_compression/py.typed", "fedkd_compression/bench/updates.npz"} <= set(names)
    alone = [sys.executable, "-c", SCRIPT, "compression", str(tmp_path / "installed")]
    subprocess.run(alone, check=True, cwd=tmp_path)
