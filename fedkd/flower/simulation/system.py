"""The processes of one simulation: a SuperLink, and the conductor with Ray below it."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fedkd.executors.executor import ClientError
from fedkd.flower.simulation.environment import LOCAL
from fedkd.flower.simulation.group import Group, adoption, undisturbed
from fedkd.flower.simulation.order import Order

LOG, ORDER = "flower.log", "order.json"
LINES = 20
"""Of the log, in an error."""
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class System:
    """Processes that run.

    Args:
        groups: by name.
        log: what they all write to.
    """

    def __init__(self, groups: Mapping[str, Group], log: Path) -> None:
        self._groups = groups
        self._log = log

    def check(self) -> None:
        """See that none has ended.

        Raises:
            ClientError: one has; with the end of the log.
        """
        for name, group in self._groups.items():
            if group.ended:
                raise ClientError(f"{name} ended before the run did", last_lines(self._log))


@contextmanager
def system(order: Order, environment: Mapping[str, str], home: Path) -> Iterator[System]:
    """Start the processes of an order; at the end, kill them and all that they started.

    Nothing is lost then: what counts is in the run's folder before the ServerApp hangs up.
    """
    log = home / LOG
    order.write(home / ORDER)
    conduct = [sys.executable, "-m", "fedkd.flower.simulation.conductor", str(home / ORDER), str(os.getpid())]
    groups: dict[str, Group] = {}
    with adoption():
        try:
            groups["Flower's SuperLink"] = Group(superlink(order.address), environment, log, bound=True)
            # Not bound to this process: when that is killed, the run itself ends, and leaves its folder in order.
            groups["Flower's simulation"] = Group(conduct, environment, log, bound=False)
            yield System(groups, log)
        finally:
            with undisturbed():
                for group in groups.values():
                    group.kill()


def superlink(address: str) -> list[str]:
    """The command of a SuperLink for simulations whose tasks the conductor takes."""
    host, _, port = address.partition(":")
    return ["flower-superlink", "--insecure", "--simulation", "--isolation", "process", "--host", host, "--port", port]


def free_address() -> str:
    """This machine's loopback, and a port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((LOCAL, 0))
        return f"{LOCAL}:{probe.getsockname()[1]}"


def last_lines(log: Path) -> str:
    """The end of a log as plain text, without what is only information."""
    lines = COLOUR.sub("", log.read_text(encoding="utf-8", errors="replace")).splitlines()
    return "".join(f"{line}\n" for line in [line for line in lines if _tells(line)][-LINES:])


def _tells(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(("INFO", "WARNING"))
