"""The ledger: a round's report, with every byte counted from the messages themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from fedkd.admission import Admitted
from fedkd.executors.executor import Exchange
from fedkd.executors.orders import sizes_of
from fedkd.messages import Broadcast, Kind, Message
from fedkd.records import RoundReport


class Times(NamedTuple):
    """Seconds of a round on this machine's clock, and on the clients' own."""

    seconds: float
    virtual: float


def report(
    broadcast: Broadcast,
    exchange: Exchange,
    admitted: Admitted,
    times: Times,
    metrics: Mapping[str, float],
    names: Sequence[str],
) -> RoundReport:
    """One line of metrics.jsonl; ``names`` are those of the numbers that clients report."""
    alone = {client: messages for client, messages in broadcast.unicast.items() if client not in exchange.unsent}
    sent = replace(broadcast, unicast=alone)
    down = [Message.unpack(data) for data in sent.shared]
    down += [Message.unpack(data) for messages in sent.unicast.values() for data in messages]
    up = [sizes_of(reply.data) if reply.sizes is None else reply.sizes for reply in exchange.replies]
    sizes = [*up, *(message.split() for message in down)]
    return RoundReport(
        round=broadcast.round,
        cohort=broadcast.cohort,
        missing=dict(admitted.missing),
        remarks=dict(admitted.remarks),
        restarted=_restarted(sent),
        bytes_up=sum(size.total for size in up),
        bytes_down_broadcast=sent.bytes_broadcast,
        bytes_down_unicast=sent.bytes_unicast,
        bytes_header=sum(size.header for size in sizes),
        bytes_side=sum(size.side for size in sizes),
        bytes_body=sum(size.body for size in sizes),
        seconds=times.seconds,
        virtual_seconds=times.virtual,
        seconds_train=sum(reply.seconds_train for reply in exchange.replies),
        seconds_link=sum(reply.seconds_link for reply in exchange.replies),
        metrics=dict(metrics),
        diagnostics=_mean(admitted.updates, names),
        placements=exchange.placements,
        moved=exchange.moved,
        learned=exchange.learned,
        traces={client: trace for client, trace in admitted.traces.items() if trace},
    )


def _restarted(sent: Broadcast) -> tuple[int, ...]:
    """Clients that were told to start anew."""
    first = {client: Message.unpack(messages[0]) for client, messages in sent.unicast.items() if messages}
    return tuple(sorted(client for client, message in first.items() if message.kind is Kind.RESTART))


def _mean(replies: Sequence[Message], names: Sequence[str]) -> dict[str, float]:
    """The clients' numbers, averaged with their samples as weights."""
    samples = sum(reply.samples for reply in replies)
    if not samples:
        return {}
    return {
        name: sum(reply.samples * reply.numbers[index] for reply in replies) / samples
        for index, name in enumerate(names)
    }
