"""A deployment on loopback, started with the scripts of sims/flower/deploy and ended by process id."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
SCRIPTS = ROOT / "sims" / "flower" / "deploy"
ENDING_S = 30.0
"""How long a process may take to end before it is killed."""


class Federation:
    """A SuperLink with TLS and node authentication, and supervised SuperNodes with data of their own.

    Args:
        folder: for all files of the deployment.
        data: with server/ and node-I/, as sims/split_data.py leaves them.
        nodes: how many.
    """

    def __init__(self, folder: Path, data: Path, nodes: int) -> None:
        self.folder, self.data, self.nodes = folder, data, nodes
        self.ports = _free_ports(nodes + 1)
        self.address = f"127.0.0.1:{self.ports[0]}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Certificates, keys, the SuperLink, the nodes."""
        self._do("certificates.sh", self.folder)
        self._do("connection.sh", self.folder / "flwr", self.address, self.folder / "ca.crt")
        keys = [self.folder / "keys" / f"node-{node}" for node in range(self.nodes)]
        for key in keys:
            self._do("node_key.sh", key)
        self.start_superlink()
        self._spawn("serverapps", "serverapps.sh", self.folder, self.address)
        self._do("register.sh", self.folder / "flwr", *(f"{key}.pub" for key in keys))
        for node, key in enumerate(keys):
            arguments = (node, self.nodes, self.address, self.folder / "ca.crt", key, self.data / f"node-{node}")
            self._spawn(f"node-{node}", "supernode.sh", self._node(node), *arguments, self.ports[1 + node])

    def start_superlink(self) -> None:
        """Until it listens."""
        self._spawn("superlink", "superlink.sh", self.folder, "127.0.0.1", self.ports[0])
        wait_until(lambda: _listens(self.ports[0]), 60, "the SuperLink listens")

    def stop(self) -> None:
        """Ask all to end, the nodes first and the SuperLink last; whatever does not is killed."""
        for names in (self._names("node"), self._names("serverapps"), self._names("superlink")):
            for name in names:
                self._processes[name].terminate()
            for name in names:
                self._ended(name)
        self._processes.clear()

    def restart_superlink(self) -> None:
        """Kill it, and start it again on the same database."""
        self._processes["superlink"].kill()
        self._ended("superlink")
        self.start_superlink()

    def signal_node(self, node: int, number: int) -> int:
        """Send a signal to a SuperNode, not to its supervisor; the result is the process that got it."""
        wait_until((self._node(node) / "supernode.pid").is_file, 90, f"node {node} is there")
        process = int((self._node(node) / "supernode.pid").read_text())
        os.kill(process, number)
        return process

    def log(self, name: str) -> str:
        """What a process has said."""
        return (self.folder / f"{name}.log").read_text()

    @contextmanager
    def run(self, name: str, *overrides: str) -> Iterator[Run]:
        """A run that goes on while the block does what it wants; it is over when the block is left."""
        process = self._spawn(f"run-{name}", "run.sh", self.folder, name, *overrides)
        try:
            yield Run(self.folder / "runs" / name, process)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            self._ended(f"run-{name}")
            del self._processes[f"run-{name}"]

    def _names(self, start: str) -> list[str]:
        return [name for name in self._processes if name.startswith(start)]

    def _node(self, node: int) -> Path:
        return self.folder / "nodes" / str(node)

    def _do(self, script: str, *arguments: object) -> None:
        done = subprocess.run(
            _command(script, arguments), env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _spawn(self, name: str, script: str, *arguments: object) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                _command(script, arguments), env=environment(), stdout=log, stderr=log, start_new_session=True
            )
        self._processes[name] = process
        return process

    def _ended(self, name: str) -> None:
        """Wait for a process; kill it and what is in its group when it does not end."""
        process = self._processes[name]
        try:
            process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Run:
    """A run over the nodes, seen from outside."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder, self.process = folder, process

    def rounds(self) -> list[dict[str, Any]]:
        """What was recorded so far."""
        path = self.folder / "metrics.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []

    def reaches(self, rounds: int, seconds: float = 120) -> None:
        """Wait until so many rounds are done."""
        wait_until(lambda: len(self.rounds()) >= rounds, seconds, f"round {rounds} is done", self.process)

    def ends(self, seconds: float = 300) -> dict[str, Any]:
        """Wait for the end; the manifest."""
        self.process.wait(seconds)
        content: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text())
        return content


def wait_until(
    holds: Callable[[], bool], seconds: float, what: str, process: subprocess.Popen[bytes] | None = None
) -> None:
    """Look again and again; fail when it takes too long, or the process that should do it has ended."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"not within {seconds:.0f} s: {what}"
        assert process is None or process.poll() is None, f"ended before: {what}"
        time.sleep(0.1)


def _command(script: str, arguments: tuple[object, ...]) -> list[str]:
    return ["bash", str(SCRIPTS / script), *map(str, arguments)]


def environment() -> dict[str, str]:
    """For scripts: they take this Python."""
    return {**os.environ, "PYTHON": sys.executable}


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _free_ports(count: int) -> list[int]:
    """Ports that nobody uses now; held together, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
