"""Admission: a reply is read, and held against what was asked, before it touches the model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from fedkd.algorithms import Collected, Gate
from fedkd.errors import ConfigurationError
from fedkd.executors.executor import ClientError, Exchange
from fedkd.executors.orders import Reply
from fedkd.expected import Expected, LostError
from fedkd.messages import Broadcast, Message
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
class Admission:
    """Which updates count, and how many must: a configured value.

    An update counts when it is whole, of this run, round and client, made against the memory that the server knows,
    behind as many samples as the client has, finite, and no longer than the cap. What does not count has never been:
    the client goes back to the memories that it had, as the server does.

    Args:
        policy: what follows when one does not: "fail" ends the run; "drop" goes on without it; "clip" does too, but
            scales what is only too long.
        norm_cap: the largest l2 norm of what is averaged (of D_i where the server keeps one mean memory, else of
            h_i + D_i); null for no bound.
        quorum: share of a cohort, in (0, 1], without which a round fails.
    """

    policy: Literal["fail", "drop", "clip"]
    norm_cap: float | None
    quorum: float

    def __post_init__(self) -> None:
        if not 0 < self.quorum <= 1:
            raise ConfigurationError(f"Admission: quorum={self.quorum:g} is outside (0, 1]; choose quorum = 0.5")
        if self.norm_cap is not None and not 0 < self.norm_cap < math.inf:
            raise ConfigurationError(f"Admission: norm_cap={self.norm_cap:g} is not positive; choose norm_cap = 10")
        if self.policy == "clip" and self.norm_cap is None:
            raise ConfigurationError("Admission: policy=clip needs a norm_cap, it is null; choose norm_cap = 10")

    @property
    def gate(self) -> Gate:
        """What an update must be."""
        return Gate(self.norm_cap, self.policy == "clip")

    @property
    def tolerant(self) -> bool:
        """Whether a run goes on without a client that fails."""
        return self.policy != "fail"

    def require(self, admitted: Admitted, round_: int) -> None:
        """Refuse to go on with too few, or after what the policy does not forgive.

        Args:
            admitted: what counts.
            round_: for the error.

        Raises:
            ClientError: with the first of those that do not count.
        """
        asked, there = len(admitted.updates) + len(admitted.missing), len(admitted.updates)
        refused = {client: admitted.missing[client] for client in admitted.refused}
        if there >= needed(self.quorum, asked) and (self.tolerant or not refused):
            return
        strict = self.quorum == 1 or there >= needed(self.quorum, asked)
        shown = refused if refused and strict else admitted.missing
        told = [f"client {client}, round {round_}: {why}" for client, why in shown.items()]
        if strict:
            raise ClientError(told[0], admitted.traces.get(next(iter(shown)), ""))
        rest = f"; and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
        line = f"round {round_}: {there} of {asked} clients, fewer than the quorum of {self.quorum:g}"
        raise ClientError(f"{line}; {'; '.join(told[:SHOWN])}{rest}")


@dataclass(frozen=True)
class Admitted:
    """What of a round's replies counts.

    Args:
        updates: sorted by client.
        missing: clients of the cohort without an update that counts, and why.
        refused: those of them that answered, in time, with what does not count.
        lost: those of them that do not hold the memories which the server knows.
        remarks: what else was odd, by client.
        traces: where clients failed, in the lines of a traceback.
    """

    updates: tuple[Message, ...]
    missing: Mapping[int, str]
    refused: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()
    remarks: Mapping[int, str] = field(default_factory=dict)
    traces: Mapping[int, str] = field(default_factory=dict)

    def after(self, collected: Collected) -> Admitted:
        """Without what has not passed the gate."""
        return replace(
            self,
            updates=tuple(collected.replies),
            missing={**self.missing, **collected.refused},
            refused=(*self.refused, *collected.refused),
            remarks={**self.remarks, **collected.remarks},
        )


def admit(
    exchange: Exchange,
    broadcast: Broadcast,
    expected: Callable[[int], Expected],
    late: Mapping[int, str] | None = None,
) -> Admitted:
    """The replies of this run, this round and this cohort that were made against the memories that the server knows.

    Of several replies of a client the first counts.

    Args:
        exchange: what the executor brought.
        broadcast: what was asked.
        expected: of a client, what its reply must say of itself.
        late: clients whose replies came after the deadline, and when.

    Raises:
        WireError: a worker has added an update that does not count.
    """
    desk = _Desk(dict.fromkeys(broadcast.cohort, "no reply") | dict(exchange.missing))
    waiting = set(broadcast.cohort)
    for reply in exchange.replies:
        client = reply.client
        if client not in waiting:
            known = client in broadcast.cohort
            desk.remarks[client] = "answered again: the first reply counts" if known else "answered without being asked"
            continue
        waiting.remove(client)
        if late is not None and client in late:
            desk.missing[client] = late[client]
        else:
            desk.judge(reply, expected(client))
    return desk.admitted


class _Desk:
    """Where replies are looked at, one by one."""

    def __init__(self, missing: dict[int, str]) -> None:
        self.missing, self.remarks = missing, dict[int, str]()
        self._updates, self._refused, self._lost = dict[int, Message](), list[int](), list[int]()
        self._traces: dict[int, str] = {}

    def judge(self, reply: Reply, expected: Expected) -> None:
        """Take a reply, or note why it does not count."""
        client, verdict = reply.client, reply.verdict
        if verdict is not None and verdict.refused:
            self._refuse(client, verdict.refused)
            self._traces[client] = verdict.trace
            return
        try:
            self._updates[client] = expected.read(reply.data, receipt=reply.sizes is not None)
        except WireError as error:
            if reply.sizes is not None:
                raise WireError(f"client {client}: {error}; its worker has added it") from None
            self._refuse(client, str(error))
            if isinstance(error, LostError):
                self._lost.append(client)
            return
        del self.missing[client]
        if verdict is not None and verdict.remark:
            self.remarks[client] = verdict.remark

    @property
    def admitted(self) -> Admitted:
        """What counts, in the order of clients."""
        updates = tuple(self._updates[client] for client in sorted(self._updates))
        refused = tuple(client for client in self._refused if client not in self._lost)
        return Admitted(updates, self.missing, refused, tuple(self._lost), self.remarks, self._traces)

    def _refuse(self, client: int, why: str) -> None:
        self.missing[client] = why
        self._refused.append(client)
