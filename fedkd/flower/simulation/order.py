"""What the launcher tells the conductor."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Resources:
    """What a simulation has to run on.

    Args:
        clients: number of nodes, one a client.
        cpus: that Ray sets aside for one client, >= 1.
        gpus: likewise; a fraction lets clients share a GPU.
    """

    clients: int
    cpus: int
    gpus: float

    def actors(self, cores: int) -> int:
        """How many clients train at once on a machine with so many cores: one of Ray's processes each.

        Example:
            >>> Resources(clients=3, cpus=2, gpus=0.0).actors(cores=16)
            3
        """
        return min(cores // self.cpus, self.clients)


@dataclass(frozen=True)
class Order:
    """One run to conduct.

    Args:
        address: host and port of the SuperLink.
        app: folder of the Flower app.
        config: path of the job file.
        cores: that Ray shares out.
        resources: of the simulation.
    """

    address: str
    app: str
    config: str
    cores: int
    resources: Resources

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @staticmethod
    def read(path: Path) -> Order:
        """What ``write`` wrote."""
        values = json.loads(path.read_text(encoding="utf-8"))
        return Order(**{**values, "resources": Resources(**values["resources"])})
