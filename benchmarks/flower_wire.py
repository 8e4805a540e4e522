"""Bytes of one message over Flower beside its payload: serialised, and on the wire, with TLS and without.

    python benchmarks/flower_wire.py [--repeats 2] [--out FILE.json]

A SuperLink, one SuperNode and between them a proxy that counts bytes, all on loopback. The server sends a message in
fedkd's envelope, and the node answers with one of the same size; what both send while nothing happens is measured,
too, and subtracted for the time that the exchange took.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from fedkd.flower.simulation.environment import environment, short_folder
from fedkd.flower.simulation.group import Group
from fedkd.flower.simulation.system import free_address

SIZES = [32, 10_000, 438_000, 6_653_480]
"""A header alone; a small model's update; the FedAvg CNN's at r = 1; the same in float32."""
SILENCE_S = 20.0
HERE = Path(__file__).parent
APP, DEPLOY = HERE / "flower_wire_app", HERE.parent / "sims" / "flower" / "deploy"
CONNECTION = "[superlink]\ndefault = 'here'\n[superlink.here]\naddress = '{address}'\n{trust}\n"


class Proxy:
    """Passes TCP connections on, and counts.

    Attributes:
        up: bytes from the SuperNode.
        down: bytes to it.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self._target = (host, int(port))
        self._door = socket.create_server((host, 0))
        self.address = f"{host}:{self._door.getsockname()[1]}"
        self.up = self.down = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            node, _ = self._door.accept()
            link = socket.create_connection(self._target)
            threading.Thread(target=self._pass, args=(node, link, "up"), daemon=True).start()
            threading.Thread(target=self._pass, args=(link, node, "down"), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, way: str) -> None:
        """Until one end hangs up."""
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                setattr(self, way, getattr(self, way) + len(data))
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@contextmanager
def started(command: list[str], seen: dict[str, str], log: Path) -> Iterator[None]:
    """A process, and what it starts."""
    group = Group(command, seen, log, bound=True)
    try:
        yield
    finally:
        group.kill()


def federation(home: Path, tls: bool, stack: ExitStack) -> tuple[Proxy, socket.socket]:
    """A SuperLink, a SuperNode behind a proxy, and the line to the ServerApp."""
    seen = environment(home, APP) | {"FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.1"}
    door, log = stack.enter_context(socket.socket(socket.AF_UNIX)), home / "flower.log"
    door.bind(str(home / "line"))
    door.listen(1)
    door.settimeout(120)
    address = free_address()
    link, node, trust = ["--insecure"], ["--insecure"], "insecure = true"
    if tls:
        subprocess.run([str(DEPLOY / "certificates.sh"), str(home)], check=True, stdout=subprocess.DEVNULL)
        link = [f"--ssl-{kind}={home / name}" for kind, name in (("certfile", "server.crt"), ("keyfile", "server.key"))]
        link.append(f"--ssl-ca-certfile={home / 'ca.crt'}")
        node, trust = [f"--root-certificates={home / 'ca.crt'}"], f"root-certificates = '{home / 'ca.crt'}'"
    host, _, port = address.partition(":")
    stack.enter_context(started(["flower-superlink", "--host", host, "--port", port, *link], seen, log))
    while socket.socket().connect_ex((host, int(port))):
        time.sleep(0.1)
    proxy = Proxy(address)
    _, _, own = free_address().partition(":")
    node += ["--port", own, "--node-config", "partition-id=0 num-partitions=1"]
    stack.enter_context(started(["flower-supernode", "--superlink", proxy.address, *node], seen, log))
    (home / "config.toml").write_text(CONNECTION.format(address=address, trust=trust))
    run = ["flwr", "run", str(APP), "here", "--run-config", f"config='{home / 'line'}'"]
    subprocess.run(run, env=seen, check=True, stdout=subprocess.DEVNULL)
    line, _ = door.accept()
    return proxy, stack.enter_context(line)


def ask(proxy: Proxy, line: socket.socket, order: str) -> dict[str, Any]:
    """Let the ServerApp do something, and count meanwhile."""
    began, up, down = time.perf_counter(), proxy.up, proxy.down
    line.sendall(order.encode() + b"\n")
    said: dict[str, Any] = json.loads(line.makefile("r").readline())
    return {**said, "seconds": time.perf_counter() - began, "up": proxy.up - up, "down": proxy.down - down}


def measured(tls: bool, repeats: int) -> list[dict[str, Any]]:
    """A line for each size; the first exchange, which opens connections, does not count."""
    with tempfile.TemporaryDirectory(prefix="fedkd-", dir=short_folder()) as place, ExitStack() as stack:
        proxy, line = federation(Path(place), tls, stack)
        ask(proxy, line, "exchange 1")
        silence = ask(proxy, line, f"silence {SILENCE_S}")
        lines = []
        for size in SIZES:
            each = [ask(proxy, line, f"exchange {size}") for _ in range(repeats)]
            extra = {way: statistics.median(over(one, silence, way) for one in each) for way in ("up", "down")}
            plain = {name: each[0][name] for name in ("serialised_down", "serialised_up")}
            seconds = statistics.median(one["seconds"] for one in each)
            lines.append(
                {"size": size, **plain, "wire_down": extra["down"], "wire_up": extra["up"], "seconds": seconds}
            )
        idle = {f"idle_{way}": silence[way] / silence["seconds"] for way in ("up", "down")}
        return [{**one, **idle} for one in lines]


def over(one: dict[str, Any], silence: dict[str, Any], way: str) -> float:
    """Bytes beyond the payload, and beyond what is sent anyhow in that time."""
    return float(one[way] - one["size"] - silence[way] / silence["seconds"] * one["seconds"])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    tables = {name: measured(tls, options.repeats) for name, tls in (("without TLS", False), ("with TLS", True))}
    for name, lines in tables.items():
        print(f"{name}: {lines[0]['idle_up']:.0f} B/s up and {lines[0]['idle_down']:.0f} B/s down when nothing happens")
        for line in lines:
            print(
                "  {size:9d} B  serialised +{serialised_down} down, +{serialised_up} up"
                "  on the wire +{wire_down:.0f} down, +{wire_up:.0f} up  {seconds:.1f} s".format(**line)
            )
    if options.out:
        machine = {"cores": os.cpu_count(), "flwr": importlib.metadata.version("flwr")}
        options.out.write_text(json.dumps({"machine": machine, "tables": tables}, indent=1))


if __name__ == "__main__":
    main()
