"""What the processes of a simulation see of the world: a home of their own, and nothing beyond this machine."""

from __future__ import annotations

import os
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path

LONGEST = 38
"""Characters of a folder in which Ray still can open its sockets: their paths are bounded by 107 bytes."""
LOCAL = "127.0.0.1"
CLUSTER = "RAY_ADDRESS"
"""Names a Ray that runs already, on machines of a cluster; the simulation then uses it."""
QUIET = {
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_TELEMETRY_ENABLED": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}
"""Flower and Ray reach for the network unless they are told not to."""
ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Ray listens on the loopback alone, on any system, and does not ask which other addresses there are."""


def environment(home: Path, app: Path, outer: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a simulation's processes.

    Args:
        home: folder for all that Flower and Ray write.
        app: folder of the Flower app, which Ray's actors import.
        outer: the environment that it extends; by default this process's.
    """
    seen = dict(os.environ if outer is None else outer)
    return {
        **seen,
        **QUIET,
        **({} if CLUSTER in seen else ALONE),
        "FLWR_HOME": str(home),
        "RAY_TMPDIR": str(home),
        "PATH": _joined(sysconfig.get_path("scripts"), seen.get("PATH", os.defpath)),
        "PYTHONPATH": _joined(str(app), seen.get("PYTHONPATH", "")),
        "NO_PROXY": f"{LOCAL},{seen.get('NO_PROXY', '')}".rstrip(","),
        "no_proxy": f"{LOCAL},{seen.get('no_proxy', '')}".rstrip(","),
    }


def short_folder() -> str:
    """Where to make the home: the folder for temporary files, or /tmp where that folder's path is too long for Ray."""
    usual = tempfile.gettempdir()
    return usual if len(usual) + len("/fedkd-12345678") <= LONGEST else "/tmp"  # noqa: S108 - the home's name is random


def application() -> Path:
    """The folder of the Flower app: in a checkout under sims, inside the package when installed."""
    package = Path(__file__).parents[1]
    installed = package / "app"
    return installed if installed.is_dir() else package.parents[1] / "sims" / "flower"


def _joined(first: str, rest: str) -> str:
    return f"{first}{os.pathsep}{rest}" if rest else first
