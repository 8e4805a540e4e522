"""Admission: a reply is read, and held against what was asked, before it touches the model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from fedkd import vectors
from fedkd.executors.executor import ClientError, Exchange
from fedkd.executors.worker import Reply
from fedkd.messages import Broadcast, Kind, Message
from fedkd_compression import WireError

SHOWN = 3
"""Missing clients that an error names."""


def needed(quorum: float, asked: int) -> int:
    """How many of those that were asked a quorum in (0, 1] is; .55 of 100 are 55, although .55 * 100 > 55.

    Example:
        >>> needed(0.55, 100), needed(0.5, 3)
        (55, 2)
    """
    return math.ceil(round(quorum * asked, 9))


@dataclass(frozen=True)
class Admitted:
    """What of a round's replies counts.

    Args:
        updates: sorted by client.
        missing: clients of the cohort without an update that counts, and why.
    """

    updates: tuple[Message, ...]
    missing: Mapping[int, str]

    def require(self, quorum: float, round_: int) -> None:
        """Refuse to go on with too few.

        Args:
            quorum: share of the cohort that must be there, in (0, 1].
            round_: for the error.

        Raises:
            ClientError: with the first of those that are missing.
        """
        asked, there = len(self.updates) + len(self.missing), len(self.updates)
        if there >= needed(quorum, asked):
            return
        told = [f"client {client}, round {round_}: {why}" for client, why in self.missing.items()]
        if quorum == 1:
            raise ClientError(told[0])
        rest = f"; and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
        line = f"round {round_}: {there} of {asked} clients, fewer than the quorum of {quorum:g}"
        raise ClientError(f"{line}; {'; '.join(told[:SHOWN])}{rest}")


def admit(
    exchange: Exchange,
    broadcast: Broadcast,
    run: int,
    versions: Mapping[int, int],
    numbers: int | None = None,
    beside: int = 0,
) -> Admitted:
    """The replies of this run, this round and this cohort that were made against the memories that the server knows.

    Args:
        exchange: what the executor brought.
        broadcast: what was asked.
        run: the number that this run's messages carry.
        versions: of every client's uplink memory, as the server has it; 0 where it has none.
        numbers: how many a client reports; None admits any.
        beside: how many a client sends beside its update.

    Raises:
        WireError: the executor brought two replies of a client, or one of a client that was not asked.
    """
    updates: dict[int, Message] = {}
    missing = dict.fromkeys(broadcast.cohort, "no reply") | dict(exchange.missing)
    waiting = set(broadcast.cohort)
    for reply in exchange.replies:
        if reply.client not in waiting:
            raise WireError(f"client {reply.client}: not asked in round {broadcast.round}, or answered twice")
        waiting.remove(reply.client)
        try:
            message = _checked(reply, broadcast, run, versions.get(reply.client, 0))
            if numbers is not None and len(message.numbers) != numbers:
                raise WireError(f"reports {len(message.numbers)} numbers, not {numbers}")
            _check_beside(reply, message, beside)
        except WireError as error:
            missing[reply.client] = str(error)
        else:
            updates[reply.client] = message
            del missing[reply.client]
    return Admitted(tuple(updates[client] for client in sorted(updates)), missing)


def _check_beside(reply: Reply, message: Message, beside: int) -> None:
    """Read what came beside the update (WireError); a receipt comes without it, since its worker has read it."""
    if reply.sizes is not None:
        return
    if beside:
        vectors.unpack(message.beside, beside)
    elif message.beside:
        raise WireError(f"sends {len(message.beside)} bytes beside its update, not 0")


def _checked(reply: Reply, broadcast: Broadcast, run: int, version: int) -> Message:
    """A reply's message, if it counts; a WireError says why it does not."""
    message = Message.unpack(reply.data)
    why = _refusal(message, reply.client, broadcast, run, version)
    if why is not None:
        raise WireError(why)
    return message


def _refusal(message: Message, client: int, broadcast: Broadcast, run: int, version: int) -> str | None:
    if (message.run, message.round, message.client) != (run, broadcast.round, client):
        return f"a reply to another run, round or client ({message.round}, {message.client})"
    if message.kind is Kind.LOST:
        return "has lost its memories"
    if message.kind is not Kind.REPLY:
        return f"answered with {message.kind.name}, not with an update"
    if message.memory != version:
        return f"an update against version {message.memory}, the server is at {version}"
    return None
