"""The ledger: a round's report, with every byte counted from the messages themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedkd.executors import Reply
from fedkd.messages import Broadcast, Message
from fedkd.records import RoundReport


def report(
    broadcast: Broadcast,
    replies: Sequence[Reply],
    admitted: Sequence[Message],
    seconds: float,
    metrics: Mapping[str, float],
    names: Sequence[str],
) -> RoundReport:
    """One line of metrics.jsonl; ``names`` are those of the numbers that clients report."""
    down = [Message.unpack(data) for data in broadcast.shared]
    down += [Message.unpack(data) for messages in broadcast.unicast.values() for data in messages]
    sizes = [message.split() for message in (*down, *admitted)]
    answered = {message.client for message in admitted}
    return RoundReport(
        round=broadcast.round,
        cohort=broadcast.cohort,
        missing=tuple(client for client in broadcast.cohort if client not in answered),
        bytes_up=sum(len(reply.data) for reply in replies),
        bytes_down_broadcast=broadcast.bytes_broadcast,
        bytes_down_unicast=broadcast.bytes_unicast,
        bytes_header=sum(size.header for size in sizes),
        bytes_side=sum(size.side for size in sizes),
        bytes_body=sum(size.body for size in sizes),
        seconds=seconds,
        seconds_train=sum(reply.seconds_train for reply in replies),
        seconds_link=sum(reply.seconds_link for reply in replies),
        metrics=dict(metrics),
        diagnostics=_mean(admitted, names),
    )


def _mean(replies: Sequence[Message], names: Sequence[str]) -> dict[str, float]:
    """The clients' numbers, averaged with their samples as weights."""
    samples = sum(reply.samples for reply in replies)
    if not samples:
        return {}
    return {
        name: sum(reply.samples * reply.numbers[index] for reply in replies) / samples
        for index, name in enumerate(names)
    }
