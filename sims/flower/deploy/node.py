"""A SuperNode that is kept alive, and whose clients start warm: python node.py --port PORT -- flower-supernode ...

A SuperNode that ends is started again, after a pause that doubles up to ``--most`` seconds: after a kill the SuperLink
refuses a node until it has noticed (up to a minute, exit code 305), and Flower itself does not try again.

Flower starts a new Python for every message, and most of a short round goes by while torch is imported. This process
imports and compiles once, and forks for every message; a message is still handled in a process of its own, by
Flower's own client code. SIGTERM and SIGINT end the SuperNode, and then this process.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FrameType

import httpx
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.constant import TaskType
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.runtime.run_clientapp import run_clientapp

from fedkd.build import build
from fedkd.compose import compose
from fedkd.configuration import Settings

POLL_S, LEAST_S, SETTLED_S, PATIENCE_S = 0.1, 2.0, 60.0, 10.0
"""Between two looks for work; before the first restart; to live to count as well started; to end when asked."""
REHEARSED = ("data=digits", "data.samples=20", "data.test=10", "clients=1", "partitioner=iid", "task=supervised")
"""A run that imports and compiles what most runs need."""


class Node:
    """A SuperNode, started again and again, and what starts its clients.

    Args:
        command: starts the SuperNode.
        port: of its Runtime API.
        pid: file that holds the SuperNode's process id while it lives.
        most: seconds before a restart, at most.
    """

    def __init__(self, command: list[str], port: int, pid: Path, most: float) -> None:
        self.command = [*command, "--isolation", "process", "--host", "127.0.0.1", "--port", str(port)]
        self.address, self.pid, self.most = f"127.0.0.1:{port}", pid, most
        self._supernode: subprocess.Popen[bytes] | None = None
        self._clients: set[int] = set()
        self._ending = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)

    def run(self) -> None:
        """Until a signal ends it."""
        pause = LEAST_S
        while not self._ending:
            began = time.monotonic()
            self._supernode = self._start()
            _rehearse()
            code = self._serve(self._supernode)
            self._clear()
            lived = time.monotonic() - began
            pause = LEAST_S if lived > SETTLED_S else pause
            if not self._ending:
                _say(f"SuperNode ended with code {code} after {lived:.0f} s; again in {pause:.0f} s")
                self._sleep(pause)
            pause = min(2 * pause, self.most)

    def _start(self) -> subprocess.Popen[bytes]:
        # In a session of its own it does not hear the terminal's Ctrl-C twice.
        supernode = subprocess.Popen(self.command, start_new_session=True)  # noqa: S603 (the user's command)
        self.pid.write_text(f"{supernode.pid}\n")
        _say(f"SuperNode is process {supernode.pid}")
        return supernode

    def _serve(self, supernode: subprocess.Popen[bytes]) -> int:
        """Start its clients while it lives; the result is its exit code."""
        tasks = RuntimeHttpClient.from_server_address(
            server_address=self.address,
            insecure=True,
            root_certificates=None,
            interceptors=[RuntimeVersionHttpInterceptor(component_name="SuperExec")],
        )
        with tasks:
            while (code := supernode.poll()) is None:
                self._clients = {child for child in self._clients if not os.waitpid(child, os.WNOHANG)[0]}
                if token := _acquire(tasks):
                    self._fork(token)
                time.sleep(POLL_S)
        return code

    def _clear(self) -> None:
        """What is left when the SuperNode has ended: clients that nobody waits for."""
        self.pid.unlink(missing_ok=True)
        for client in self._clients:
            with suppress(ProcessLookupError):
                os.kill(client, signal.SIGKILL)

    def _fork(self, token: str) -> None:
        """One client in a process of its own."""
        parent = os.getpid()
        if child := os.fork():
            self._clients.add(child)
            return
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            run_clientapp(self.address, token, insecure=True, parent_pid=parent, runtime_dependency_install=False)
            _leave(0)
        except SystemExit as end:
            _leave(end.code if isinstance(end.code, int) else 1)
        except BaseException:
            traceback.print_exc()
            _leave(1)

    def _end(self, number: int, frame: FrameType | None) -> None:
        """Ask the SuperNode to end; it is killed when it takes too long."""
        if self._ending:
            return
        self._ending = True
        if self._supernode is not None and self._supernode.poll() is None:
            _say(f"{signal.Signals(number).name}: ending process {self._supernode.pid}")
            self._supernode.terminate()
            signal.signal(signal.SIGALRM, self._kill)
            signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)

    def _kill(self, number: int, frame: FrameType | None) -> None:
        assert self._supernode is not None
        self._supernode.kill()

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._ending and time.monotonic() < until:
            time.sleep(POLL_S)


def _acquire(tasks: RuntimeHttpClient) -> str:
    """The token of a message that waits for a client; empty without any, or while the SuperNode does not answer."""
    wanted = AcquireTaskRequest(supported_task_types=[TaskType.CLIENT_APP])
    try:
        answer = tasks.AcquireTask(wanted)
    except httpx.HTTPError:
        # The SuperNode starts or ends; its process tells which.
        return ""
    return str(answer.token) if answer.HasField("task") else ""


@cache
def _rehearse() -> None:
    """Do once what every client will do; forks inherit it. torch has one thread here, so none is lost by forking."""
    setup = build(Settings.of(compose(REHEARSED)), lambda _: None, b"")
    setup.algorithm.rehearse(setup.model)


def _leave(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def main() -> None:
    """Read the command line, prepare, and keep the SuperNode alive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pid", type=Path, default=Path("supernode.pid"))
    parser.add_argument("--most", type=float, default=10.0)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    Node(options.command, options.port, options.pid, options.most).run()


if __name__ == "__main__":
    main()
