"""Admission: a reply is read, and checked against what was asked, before it touches the model."""

from __future__ import annotations

from collections.abc import Sequence

from fedkd.executors.worker import Reply
from fedkd.messages import Broadcast, Kind, Message
from fedkd_compression import WireError


def admit(replies: Sequence[Reply], broadcast: Broadcast, run: int) -> tuple[Message, ...]:
    """The replies of this run, this round and this cohort, sorted by client.

    Raises:
        WireError: a message is damaged, foreign, or was sent twice.
    """
    messages = sorted((Message.unpack(reply.data) for reply in replies), key=lambda message: message.client)
    expected = set(broadcast.cohort)
    for message in messages:
        if (message.kind, message.run, message.round) != (Kind.REPLY, run, broadcast.round):
            raise WireError(f"client {message.client}: a reply to another run or round ({message.round})")
        if message.client not in expected:
            raise WireError(f"client {message.client}: not asked in round {broadcast.round}, or answered twice")
        expected.remove(message.client)
    return tuple(messages)
