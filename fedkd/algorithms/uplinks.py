"""The uplink at the server: from the clients' compressed updates to their mean G.

| estimator | server keeps | G | memory |
|---|---|---|---|
| PP1 | h_i of every client | mean over the active of (h_i + D_i) | h_i += rate D_i |
| PP2 | one h = mean of all h_i | h + 1/(p N) sum over the active of D_i | h += rate/N sum over the active of D_i |

p is the probability of taking part. With full participation both give the same G; with partial
participation PP2 has far less sampling variance. Without memories G is the mean over the active.
Source: Philippenko and Dieuleveut, Artemis; the update of h divides by N, not by p N.

Sums are exact, so neither the order of arrival nor who adds leaves a trace: the server adds every reply itself, or,
where cohorts are large, workers add those of their clients (``Partial``) and the server merges. A worker then takes
the client's own h_i for the server's: both ends of a link hold the same bits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import torch

from fedkd.algorithms.abreast import cores
from fedkd.algorithms.collected import Collected
from fedkd.algorithms.gate import Gate, Passed, RefusedError
from fedkd.algorithms.totals import Partial, Terms, Totals, totals_of
from fedkd.keys import key
from fedkd.links import Link, Received
from fedkd.messages import Message
from fedkd_compression import ExactSum, WireError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class UplinkState:
    """The server's end of all uplinks.

    Args:
        taken: the version of each client's memory: the rounds that were over when its last update was taken.
        own: h_i of each client (PP1, and PP2 where clients may lose theirs).
        mean: h in float64 (PP2).
    """

    taken: Mapping[int, int] = field(default_factory=dict)
    own: Mapping[int, Tensor | None] = field(default_factory=dict)
    mean: Tensor | None = None


class _Judged(NamedTuple):
    """What a reply brought, None where it does not count; the remark then says why."""

    arrived: Received | None
    passed: Passed


class _Verdicts:
    """Which replies count, as they are read."""

    def __init__(self) -> None:
        self.counted: list[Message] = []
        self.refused: dict[int, str] = {}
        self.remarks: dict[int, str] = {}

    def noted(self, reply: Message, judged: _Judged) -> Received | None:
        """What it brought, where it counts; either way it is noted."""
        if judged.arrived is None:
            self.refused[reply.client] = judged.passed.remark
            return None
        self.counted.append(reply)
        if judged.passed.remark:
            self.remarks[reply.client] = judged.passed.remark
        return judged.arrived

    def collected(self, totals: Totals, uplink: UplinkState) -> Collected:
        """With what those that count add up to."""
        return Collected(self.counted, totals, uplink, refused=self.refused, remarks=self.remarks)


@dataclass(frozen=True)
class Uplink(ABC):
    """The server's half of the uplink.

    Args:
        weights: one weight a client; only their ratios matter.
        probability: p of taking part in a round.
        volatile: whether clients may lose their memories, so that the server must be able to take a client's out again.
        dtype: of every update; None admits any.
    """

    link: Link
    seed: int
    dim: int
    weights: tuple[float, ...]
    probability: float
    volatile: bool
    dtype: torch.dtype | None = None

    @abstractmethod
    def add(self, partial: Partial, reply: Message, memory: Tensor | None, gate: Gate) -> str:
        """Add one reply, made against the client's memory h_i [d]; where a worker adds, the client moves that itself.

        ``MeanOfMemories`` only looks at whether there is one. The result is a remark, mostly none.

        Raises:
            WireError: the reply is damaged.
            RefusedError: the update did not pass the gate.
        """

    @abstractmethod
    def collect(self, state: UplinkState, replies: Sequence[Message], gate: Gate) -> Collected:
        """Add all replies that pass the gate, at the server, which keeps what it must remember of single clients."""

    @abstractmethod
    def mean(
        self, state: UplinkState, totals: Totals, clients: Sequence[int], share: float
    ) -> tuple[Tensor | None, UplinkState]:
        """G [d] in float64 from what the clients' updates add up to; None when there is nothing to average.

        ``share``: of the clients that were asked, those whose updates count; 1 but for failures.
        """

    def forget(self, state: UplinkState, clients: Collection[int]) -> UplinkState:
        """Reset the memories of these clients: their next update is made against none."""
        own = {client: memory for client, memory in state.own.items() if client not in clients}
        taken = {client: version for client, version in state.taken.items() if client not in clients}
        return replace(state, own=own, taken=taken)

    @property
    def threads(self) -> int:
        """Threads that read replies: what is lossless is read in less time than it takes to start some."""
        return 1 if self.link.operator.traits.lossless else cores()

    def nothing(self) -> Partial:
        """Of no updates."""
        return Partial(ExactSum.zeros(self.dim))

    def judged(self, reply: Message, gate: Gate, read: Callable[[Message], Received]) -> _Judged:
        """A reply as it is read, and whether it counts."""
        try:
            arrived = read(reply)
            return _Judged(arrived, gate.judge(arrived.received, self.weights[reply.client]))
        except (WireError, RefusedError) as error:
            return _Judged(None, Passed(remark=str(error)))

    def change(self, reply: Message, memory: Tensor | None) -> Tensor:
        """D_i [d] of one reply, in whose memory it may lie: only to be read."""
        stream = key(self.seed, "uplink", reply.round, reply.client)
        change = self.link.decode(reply.frame, memory, stream, self.dim, lent=True)
        if self.dtype not in (None, change.dtype):
            raise WireError(f"frame: of {change.dtype}, not of {self.dtype}")
        return change


@dataclass(frozen=True)
class MeanOfActive(Uplink):
    """PP1: the server keeps h_i of every client, if the link remembers at all and workers do not add."""

    def add(self, partial: Partial, reply: Message, memory: Tensor | None, gate: Gate) -> str:
        """Add w_i (h_i + D_i)."""
        received, weight = self.link.received(self.change(reply, memory), memory), self.weights[reply.client]
        factor, remark = gate.judge(received, weight)
        partial.total.add(received, factor * weight)
        return remark

    def collect(self, state: UplinkState, replies: Sequence[Message], gate: Gate) -> Collected:
        """Add against the server's own h_i, and move them."""
        terms, own, verdicts = Terms(self.dim), dict(state.own), _Verdicts()

        def read(reply: Message) -> Received:
            memory = own.get(reply.client)
            return self.link.apply(self.change(reply, memory), memory)

        for reply, judged in terms.of(replies, lambda reply: self.judged(reply, gate, read), self.threads):
            if (arrived := verdicts.noted(reply, judged)) is None:
                continue
            terms.add(reply, arrived.received, judged.passed.factor * self.weights[reply.client])
            if self.link.remembers:
                own[reply.client] = arrived.memory
        return verdicts.collected(totals_of(terms, Terms(self.dim), self.dim), replace(state, own=own))

    def mean(
        self, state: UplinkState, totals: Totals, clients: Sequence[int], share: float
    ) -> tuple[Tensor | None, UplinkState]:
        """G = sum of w_i (h_i + D_i) / sum of w_i."""
        if not clients:
            return None, state
        weight = sum(self.weights[client] for client in clients)
        return totals.total.div_(weight), state


@dataclass(frozen=True)
class MeanOfMemories(Uplink):
    """PP2: the server keeps only the mean memory h, and every h_i beside it only where clients may lose theirs."""

    def add(self, partial: Partial, reply: Message, memory: Tensor | None, gate: Gate) -> str:
        """Add w_i D_i; the memory itself is not needed."""
        change, weight = self.change(reply, memory), self.weights[reply.client]
        _, remark = gate.judge(change, weight)
        partial.total.add(change, weight)
        if self.link.in_full(memory):
            partial.add_ahead(change, weight)
        return remark

    def collect(self, state: UplinkState, replies: Sequence[Message], gate: Gate) -> Collected:
        """Add; a client that was heard before has a memory."""
        terms, ahead, some, own = Terms(self.dim), Terms(self.dim), torch.empty(0), dict(state.own)
        verdicts = _Verdicts()

        def against(reply: Message) -> Tensor | None:
            return own.get(reply.client, some) if reply.client in state.taken else None

        def read(reply: Message) -> Received:
            return Received(self.change(reply, against(reply)), None)

        for reply, judged in terms.of(replies, lambda reply: self.judged(reply, gate, read), self.threads):
            if (arrived := verdicts.noted(reply, judged)) is None:
                continue
            memory, weight, change = against(reply), self.weights[reply.client], arrived.received
            terms.add(reply, change, weight)
            if self.link.in_full(memory):
                ahead.add(reply, change, weight)
            if self.volatile:
                own[reply.client] = self.link.move(change, memory)
        return verdicts.collected(totals_of(terms, ahead, self.dim), replace(state, own=own))

    def mean(
        self, state: UplinkState, totals: Totals, clients: Sequence[int], share: float
    ) -> tuple[Tensor | None, UplinkState]:
        """G = h + sum of w_i D_i / (p share), h += rate * sum of w_i D_i, with weights that sum to one."""
        norm = sum(self.weights)
        memory = torch.zeros(self.dim, dtype=torch.float64) if state.mean is None else state.mean
        total = totals.total.div_(norm)
        moved = memory.add(total, alpha=self.link.rate)
        if totals.ahead is not None:
            moved.add_(totals.ahead, alpha=(1 - self.link.rate) / norm)
        return memory.add(total, alpha=1 / (self.probability * (share or 1.0))), replace(state, mean=moved)

    def forget(self, state: UplinkState, clients: Collection[int]) -> UplinkState:
        """Also take w_i h_i out of h; with nobody left h begins again, also where no h_i was kept."""
        rest = super().forget(state, clients)
        if not rest.taken:
            return replace(rest, mean=None)
        mean, norm = state.mean, sum(self.weights)
        for client in sorted(clients):
            lost = state.own.get(client)
            if mean is not None and lost is not None:
                mean = mean.sub(lost, alpha=self.weights[client] / norm)
        return replace(rest, mean=mean)
