"""Seconds and bytes a round of fedkd on Flower's simulation, beside Flower's own FedAvg with the same local training.

    python benchmarks/flower.py [--rounds 12] [--samples 100 400] [--out FILE.json]

10 clients x 100 or 400 MNIST digits, batch 20, one local epoch, SGD .05, the FedAvg CNN (1,663,370 parameters). Each
row is a simulation of its own, with a SuperLink, Ray and one actor a core; the rows take turns, round by round, so that
a ratio holds on a machine whose speed drifts. Training is what the busiest actor trained; the rest of a round is its
overhead: what else the apps do (coding, memories), the server's own work, and transit with Flower's pauses. Bytes are
those of all arrays of the messages.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import socket
import statistics
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from timed import WARM_UP, Line, Spent, Timed, measure

from fedkd.algorithms.abreast import cores
from fedkd.compose import compose
from fedkd.configuration import Settings, check
from fedkd.flower.simulation.environment import environment, short_folder
from fedkd.flower.simulation.order import Order, Resources
from fedkd.flower.simulation.system import System, free_address, system

CLIENTS, ENDLESS = 10, 1_000_000
APP = Path(__file__).parent / "flower_app"
COMMON = [
    *("executor=flower", f"clients={CLIENTS}", f"rounds={ENDLESS}", f"evaluate_every={ENDLESS}", "checkpoint_every=0"),
    *("task=supervised", "model=fedavg_cnn", "data=mnist5k", "data.public=0", "partitioner=iid", "recorder=quiet"),
    *("trainer.epochs=1", "trainer.batch_size=20", "solver.learning_rate=0.05", "solver.momentum=0.0"),
]
LINKS = {
    "FedAvg": ["algorithm=sgd", "uplink=identity", "downlink=identity"],
    "fedkd, identity": ["algorithm=sgd", "uplink=identity", "downlink=identity"],
    "fedkd, MCM r=1": ["algorithm=mcm", "uplink.operator.step=1.0", "downlink.operator.step=1.0"],
}
PATIENCE = 1.0
"""Seconds between two looks at whether a simulation still runs."""


class Simulated(Timed):
    """A simulation, which waits at a gate before each round."""

    def __init__(self, name: str, overrides: list[str], home: Path, stack: ExitStack) -> None:
        super().__init__(name)
        config, door, self.said = home / "job.json", socket.socket(socket.AF_UNIX), list[dict[str, Any]]()
        door.bind(str(home / "gate"))
        door.listen(1)
        values = compose(overrides)
        check(Settings.of(values))
        plain = {"row": name, "gate": str(home / "gate"), "folder": str(home / "run"), "values": values}
        config.write_text(json.dumps(plain))
        order = Order(free_address(), str(APP), str(config), cores(), Resources(CLIENTS, 1, 0.0))
        processes = stack.enter_context(system(order, environment(home, APP), home))
        self._line, self._processes = accepted(stack.enter_context(door), processes), processes
        self._lines = stack.enter_context(self._line.makefile("r"))

    def step(self) -> None:
        """Open the gate, and hear what the round was."""
        self._processes.check()
        self._line.sendall(b"!")
        said = json.loads(self._lines.readline())
        self.said.append(said)
        self.spent.append(Spent(said["seconds"], busiest(said, "seconds_train"), said["server"]))

    def digest(self) -> str:
        """None: updates of FedAvg are averaged in another order."""
        return ""

    def close(self) -> None:
        """Close the gate."""
        self._line.close()

    def line(self, line: Line) -> Line:
        """With what the round was made of."""
        kept, spent = self.said[WARM_UP:], self.spent[WARM_UP:]
        return {
            **line,
            "overhead": statistics.median(each.wall - each.clients for each in spent),
            "apps": statistics.median(busiest(said, "seconds_app") for said in kept),
            "transit": statistics.median(s["seconds"] - s["server"] - busiest(s, "seconds_app") for s in kept),
            "cpu_apps": statistics.median(sum(reply["cpu_app"] for reply in said["replies"]) for said in kept),
            "cpu_server": statistics.median(said["cpu_server"] for said in kept),
            "bytes_up": statistics.median(sum(reply["up"] for reply in said["replies"]) for said in kept),
            "bytes_down": statistics.median(said["down"] for said in kept),
            "bytes_first_round": self.said[0]["down"] + sum(reply["up"] for reply in self.said[0]["replies"]),
        }


def busiest(said: dict[str, Any], what: str) -> float:
    """Seconds of the actor that had most."""
    spent: dict[int, float] = defaultdict(float)
    for reply in said["replies"]:
        spent[reply["process"]] += reply[what]
    return max(spent.values())


def accepted(door: socket.socket, processes: System) -> socket.socket:
    """The ServerApp's call; an error when a process ends before it."""
    door.settimeout(PATIENCE)
    while True:
        processes.check()
        try:
            line, _ = door.accept()
        except TimeoutError:
            continue
        line.settimeout(None)
        return line


def table(rounds: int, samples: int) -> list[Line]:
    """All rows."""
    common = [*COMMON, f"data.samples={CLIENTS * samples}"]
    with ExitStack() as stack:
        rows = []
        for name, links in LINKS.items():
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fedkd-", dir=short_folder())))
            rows.append(Simulated(name, [*common, *links], home, stack))
        return [row.line(line) for row, line in zip(rows, measure(rows, rounds, 0), strict=True)]


def show(samples: int, lines: list[Line]) -> None:
    """Print a table."""
    total = [float(line["bytes_up"]) + float(line["bytes_down"]) for line in lines]
    print(f"{samples} samples a client; load {os.getloadavg()[0]:.1f}; x: of the first row")
    for line, size in zip(lines, total, strict=True):
        print(
            "  {row:<16} {seconds:6.3f} s {ratio:5.2f} x  training {clients:6.3f}  overhead {overhead:6.3f}: apps' rest"
            " {rest_apps:6.3f}  server {server:6.3f}  transit {transit:6.3f}; CPU apps {cpu_apps:6.3f}"
            "  server {cpu_server:6.3f}".format(**line, rest_apps=float(line["apps"]) - float(line["clients"])),
            f" {size / 1e6:8.3f} MB, {total[0] / size:5.2f} x fewer",
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--samples", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    tables = {}
    for samples in options.samples:
        tables[f"{samples} samples a client"] = lines = table(options.rounds, samples)
        show(samples, lines)
    if options.out:
        versions = {name: importlib.metadata.version(name) for name in ("torch", "flwr", "ray")}
        machine = {"processor": platform.processor() or platform.machine(), **versions}
        options.out.write_text(json.dumps({"machine": machine, "cores": cores(), "tables": tables}, indent=1))


if __name__ == "__main__":
    main()
