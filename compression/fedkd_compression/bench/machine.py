"""Where and with what something was measured."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

_PACKAGES = ("fedkd", "torch", "numpy", "numba", "constriction", "matplotlib")


@dataclass(frozen=True)
class Machine:
    """A machine and what is installed on it.

    Args:
        threads: of the measured code.
        kernels: the set in use.
        date: of the measurement, UTC.
    """

    processor: str
    cores: int
    system: str
    threads: int
    kernels: str
    date: str
    versions: dict[str, str]

    @staticmethod
    def here(threads: int, kernels: str) -> Machine:
        """This one, now."""
        system = f"{platform.system()} {platform.machine()}"
        date = datetime.now(UTC).isoformat(timespec="seconds")
        return Machine(_processor(), os.cpu_count() or 1, system, threads, kernels, date, _versions())

    def line(self) -> str:
        """All that a reader of a table needs to know."""
        known = ", ".join(f"{name} {self.versions[name]}" for name in ("torch", "numba") if name in self.versions)
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{self.processor}, {self.cores} cores; {threads}, {self.kernels} kernels; {known}"

    def plain(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


def _processor() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    """Versions of Python and of the packages that matter here; those that are not installed are left out."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
