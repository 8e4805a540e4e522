"""Orders to train a client, and what is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fedkd.messages import Kind, Message
from fedkd_compression import Sizes, WireError


class Opening(NamedTuple):
    """What a client is to do with its memories before it reads on, and what it reads then.

    Args:
        anew: whether it is to forget them.
        version: to which it is to go back; None for where it is.
        rest: the other messages.
    """

    anew: bool
    version: int | None
    rest: Sequence[bytes | memoryview]


def opening(messages: Sequence[bytes | memoryview]) -> Opening:
    """The first of a client's messages, where it is an instruction."""
    first = Message.unpack(messages[0]) if messages else None
    if first is None or first.kind not in (Kind.RESTART, Kind.UNDO):
        return Opening(False, None, messages)
    return Opening(first.kind is Kind.RESTART, first.memory if first.kind is Kind.UNDO else None, messages[1:])


def named(clients: Sequence[int]) -> str:
    """Clients that were trained together, for an error: one of them caused it."""
    return f"client {clients[0]}" if len(clients) == 1 else f"one of clients {', '.join(map(str, clients))}"


def lost(run: int, round_: int, client: int) -> bytes:
    """A client's answer to messages that change what it does not hold (StaleMemoryError)."""
    return Message(Kind.LOST, run, round_, client, 0, b"").pack()


class Order(NamedTuple):
    """A client to be trained, and what the server sends to it alone, in the order in which it must be read."""

    client: int
    messages: Sequence[bytes | memoryview]


class Verdict(NamedTuple):
    """What the worker has found out about an update.

    Args:
        refused: why it does not count; empty where it does.
        trace: where its client failed, in the lines of a traceback.
        remark: what is to be said of one that counts.
    """

    refused: str = ""
    trace: str = ""
    remark: str = ""


class Reply(NamedTuple):
    """A client's reply: the bytes that travel, and what does not: two stop-watches, and the worker's verdict.

    Args:
        data: the message, or its receipt.
        sizes: of the message, where ``data`` is a receipt.
    """

    client: int
    data: bytes | memoryview
    seconds_train: float
    seconds_link: float
    sizes: Sizes | None = None
    verdict: Verdict | None = None

    @property
    def size(self) -> int:
        """Bytes of the whole message."""
        return len(self.data) if self.sizes is None else self.sizes.total


def sizes_of(data: bytes | memoryview) -> Sizes:
    """The bytes of a message by what they are for; what cannot be read counts as header."""
    try:
        return Message.unpack(data).split()
    except WireError:
        return Sizes(len(data), 0, 0)
