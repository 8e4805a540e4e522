"""What a node makes its worker from: sent once to a node, which keeps it in its context."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from flwr.app import ConfigRecord, Context, RecordDict

from fedkd.algorithms import Receiver
from fedkd.algorithms.downlinks import ReceiverState
from fedkd.build import Setup, build
from fedkd.configuration.settings import Settings
from fedkd.errors import ConfigurationError
from fedkd.executors import StartingOrder
from fedkd.executors.workshop import Workshop
from fedkd.flower import envelope
from fedkd.flower.memories import forget, memories_of

START = "start"
"""Name of the records, in a message and in a context."""
OWNER = "start.owner"
"""Name of the record in a context that says which Flower run left the order."""
OWN_FOLDER, OWN_DATA = "folder", "data"
"""Keys of a node's configuration: where it may keep files, and where its own data is."""


@dataclass(frozen=True)
class Start:
    """An order as it lies in a context; equal ones share what was built from them.

    Args:
        values: the resolved configuration, as JSON.
        folder: of the run, where the node shares it with the server; else empty.
        lesson: what the teacher has learned.
    """

    values: str
    folder: str
    lesson: bytes

    @cached_property
    def digest(self) -> str:
        """What tells this job from another."""
        return hashlib.sha256(self.values.encode() + self.lesson).hexdigest()[:16]

    @staticmethod
    def of(order: StartingOrder, shared: bool) -> Start:
        """The order to nodes that share the run's folder, or do not."""
        return Start(json.dumps(dict(order.values)), str(order.folder.resolve()) if shared else "", order.lesson)

    def put(self, records: RecordDict) -> None:
        """Into a message, or into a context's state."""
        records[START] = ConfigRecord({"values": self.values, "folder": self.folder})
        records[envelope.LESSON] = envelope.arrays([self.lesson])

    @staticmethod
    def get(records: RecordDict) -> Start | None:
        """From a message or a context's state; None where there is none."""
        said = records.get(START)
        lesson = envelope.parts(records, envelope.LESSON)
        if not isinstance(said, ConfigRecord) or len(lesson) != 1:
            return None
        return Start(str(said["values"]), str(said["folder"]), lesson[0])


def take(content: RecordDict, context: Context) -> Start | None:
    """What the message brings, kept from now on, or what was kept.

    Memories of another job, or of another Flower run of the same series, whose context goes on, are forgotten.
    """
    brought, kept = Start.get(content), _kept(context)
    if brought is None:
        return kept
    if brought != kept:
        forget(context.state)
        brought.put(context.state)
        context.state[OWNER] = ConfigRecord({"run": str(context.run_id)})
    return brought


def _kept(context: Context) -> Start | None:
    """The order that this Flower run has left."""
    owner = context.state.get(OWNER)
    ours = isinstance(owner, ConfigRecord) and owner["run"] == str(context.run_id)
    return Start.get(context.state) if ours else None


class Ear:
    """A process's ear: what one of its clients has decoded of a broadcast, the next one need not decode again."""

    def __init__(self) -> None:
        self._heard: tuple[object, ReceiverState] | None = None

    def hear(self, receiver: Receiver, run: int, held: ReceiverState, messages: tuple[bytes, ...]) -> None:
        """Let a receiver that holds something hear messages of a Flower run.

        Raises:
            StaleMemoryError: they need a memory that is not held.
        """
        what = (run, held.version, messages)
        if self._heard is None or self._heard[0] != what:
            receiver.state = held
            receiver.hear(messages)
            self._heard = what, receiver.state
        receiver.state = self._heard[1]


@dataclass(frozen=True)
class Bench:
    """What a process trains its clients with.

    Args:
        memories: folder of the clients' memories, where they are not in their contexts.
    """

    setup: Setup
    workshop: Workshop
    ear: Ear
    memories: Path | None


def bench(start: Start, context: Context, client: int, device: str) -> Bench:
    """What the node trains with, built once a process.

    Raises:
        ConfigurationError: the node's data do not fit the configuration.
    """
    values = json.loads(start.values)
    if (data := context.node_config.get(OWN_DATA)) is not None:
        values["data"] = {**values["data"], "path": str(data), "client_id": client}
    setup, shop, ear = _built(json.dumps(values), start.lesson, str(_folder(start, context, client)), device)
    if not setup.settings.data.holds(client):
        raise ConfigurationError(f"client {client}: its samples are not here; name its folder as data in --node-config")
    memories = memories_of(Path(start.folder), context.run_id) if start.folder else None
    return Bench(setup, shop, ear, memories)


def _folder(start: Start, context: Context, client: int) -> Path:
    """Where the node may keep files of this run."""
    if start.folder:
        return Path(start.folder)
    own = context.node_config.get(OWN_FOLDER)
    root = Path(str(own)) if own is not None else Path.home() / ".fedkd"
    return root / f"run-{context.run_id}" / f"client-{client}"


@lru_cache(maxsize=2)
def _built(values: str, lesson: bytes, folder: str, device: str) -> tuple[Setup, Workshop, Ear]:
    resolved: Mapping[str, Any] = json.loads(values)
    setup = build(Settings.of(resolved), lambda _: None, lesson)
    return setup, setup.workshop(device, Path(folder)), Ear()
