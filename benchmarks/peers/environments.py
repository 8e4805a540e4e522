"""Virtual environments of the simulators, one each, made when first needed.

    python benchmarks/peers/environments.py [pfl] [flower]

They are kept under ${FEDKD_PEERS:-~/.cache/fedkd-peers}, with the torch of this project's own environment, in which
the rows of fedkd and of plain PyTorch run.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

OWN = "fedkd"
PACKAGES = {
    "pfl": ("numpy", "pfl[pytorch]==0.6.0"),
    "flower": ("numpy", "flwr[simulation]==1.42.0"),
}
VERSIONS = """
import importlib.metadata, json, sys
found = sorted((each.name.lower(), each.version) for each in importlib.metadata.distributions())
print(json.dumps({"python": sys.version.split()[0], **dict(found)}))
"""


def python(name: str) -> Path:
    """The interpreter of an environment, which is made where it is missing or has other packages.

    Raises:
        subprocess.CalledProcessError: it cannot be made.
    """
    if name == OWN:
        return Path(sys.executable)
    home = Path(os.environ.get("FEDKD_PEERS", Path.home() / ".cache" / "fedkd-peers"))
    interpreter, mark = home / name / "bin" / "python", home / f"{name}.txt"
    torch = f"torch=={importlib.metadata.version('torch').partition('+')[0]}"
    wanted = "\n".join((torch, *PACKAGES[name], ""))
    if not mark.is_file() or mark.read_text() != wanted:
        print(f"making {home / name}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", home / name], check=True)
        # torch comes first: with it installed, later packages do not fetch another build of it.
        for packages in ((torch,), PACKAGES[name]):
            subprocess.run([interpreter, "-m", "pip", "install", "--quiet", *packages], check=True)
        mark.write_text(wanted)
    return interpreter


def versions(name: str) -> dict[str, str]:
    """All packages of an environment, and its Python."""
    said = subprocess.run([python(name), "-c", VERSIONS], check=True, capture_output=True, text=True).stdout
    return json.loads(said)


def main() -> None:
    """Make them all, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*PACKAGES, []])
    for name in parser.parse_args().names or PACKAGES:
        print(python(name))


if __name__ == "__main__":
    main()
