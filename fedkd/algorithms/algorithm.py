"""An algorithm is a row of a table: two links, what the downlink compresses, and to whom it is sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from fedkd import vectors
from fedkd.algorithms.broadcast_model import BroadcastModel
from fedkd.algorithms.broadcast_step import BroadcastStep
from fedkd.algorithms.collected import Collected
from fedkd.algorithms.downlinks import Downlink, DownlinkState, Receiver
from fedkd.algorithms.gate import OPEN, Gate
from fedkd.algorithms.moved_model import MovedModel
from fedkd.algorithms.server_optimizers import OptimizerState, ServerOptimizer
from fedkd.algorithms.totals import Partial
from fedkd.algorithms.unicast_model import UnicastModel
from fedkd.algorithms.uplinks import MeanOfActive, MeanOfMemories, Uplink, UplinkState
from fedkd.beside import Beside, BesideState
from fedkd.errors import ConfigurationError
from fedkd.keys import EVERYONE
from fedkd.links import Difference, Link
from fedkd.messages import Broadcast, Kind, Message
from fedkd_compression import ExactSum, exact_total

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Row:
    """What distinguishes an algorithm beside its two links.

    Args:
        name: as in the literature.
        compresses: "model": the server's w is preserved and C(w - H) travels; "step": server and
            clients apply the same compressed step.
        sent_to: "all": one broadcast; "each": an independent message and memory for every client.
        estimator: "PP1": mean over the active clients; "PP2": one mean memory at the server.
        weights: "uniform", or "samples": clients count by their number of samples.
    """

    name: str
    compresses: Literal["model", "step"]
    sent_to: Literal["all", "each"]
    estimator: Literal["PP1", "PP2"]
    weights: Literal["uniform", "samples"]

    def __post_init__(self) -> None:
        if self.compresses == "step" and self.sent_to == "each":
            raise ConfigurationError("Row: compresses=step with sent_to=each has no common model; choose sent_to = all")


@dataclass(frozen=True)
class Context:
    """The run that an algorithm serves.

    Args:
        seed: of all randomness.
        run: a number that tells this run's messages from another's.
        dim: d, the number of parameters.
        samples: of each client.
        probability: p of a client to take part in a round.
        volatile: whether clients may lose their memories.
        dtype: of every update; None admits any.
    """

    seed: int
    run: int
    dim: int
    samples: tuple[int, ...]
    probability: float
    volatile: bool = False
    dtype: torch.dtype | None = None


@dataclass(frozen=True)
class ServerState:
    """Everything that the server knows; a value.

    Args:
        round: the next round.
        model: w [d].
        restarting: clients whose memories were reset here, and must be there: the next message says so.
        undoing: clients whose last update did not count: the next message says to which version they go back.
        beside: what is kept for the vectors that travel beside the model.
        waiting: what the deadline has learned; the algorithm only carries it.
    """

    round: int
    model: Tensor
    optimizer: OptimizerState
    downlink: DownlinkState
    uplink: UplinkState
    restarting: tuple[int, ...] = ()
    undoing: tuple[int, ...] = ()
    beside: BesideState = field(default_factory=dict)
    waiting: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Algorithm:
    """A row with its links, bound to one run: the server's half of every round.

    Args:
        beside: the vectors that travel beside the model; None for none.
    """

    row: Row
    downlink: Downlink
    uplink: Uplink
    optimizer: ServerOptimizer
    beside: Beside | None = None

    def start(self, model: Tensor) -> ServerState:
        """The state before the first round, from the initial model [d]."""
        beside = {} if self.beside is None else self.beside.start(model)
        optimizer, downlink = self.optimizer.start(model), self.downlink.start(model)
        return ServerState(0, model, optimizer, downlink, UplinkState(), beside=beside)

    def broadcast(self, state: ServerState, cohort: tuple[int, ...]) -> tuple[Broadcast, ServerState]:
        """The messages of the next round; what a client is to do with its memories, it is told first."""
        broadcast, downlink = self.downlink.broadcast(state.downlink, state.model, state.round, cohort)
        broadcast = replace(broadcast, shared=(*self._told(state, cohort), *broadcast.shared))
        first = self._first(state, cohort)
        if first:
            told = {client: (message, *broadcast.unicast.get(client, ())) for client, message in first.items()}
            broadcast = replace(broadcast, unicast={**broadcast.unicast, **told})
        return broadcast, replace(state, downlink=downlink)

    def refresh(self, state: ServerState) -> tuple[bytes, ...]:
        """What brings a worker that knows nothing to where the next broadcast finds the others; no client pays it."""
        return self.downlink.refresh(state.downlink, state.model, state.round)

    def collect(
        self, state: ServerState, replies: Sequence[Message], partial: Partial | None = None, gate: Gate = OPEN
    ) -> Collected:
        """Decode and add the updates that pass the gate; nothing has moved yet.

        Args:
            state: after the broadcast.
            replies: of clients that were asked, in the order of clients.
            partial: what the updates add up to, where workers have added them; the replies are then without them.
            gate: what an update must be.
        """
        if partial is not None:
            beside = None if partial.beside is None else partial.beside.total()
            return Collected(replies, partial.totals(), state.uplink, beside)
        collected = self.uplink.collect(state.uplink, replies, gate)
        return replace(collected, beside=self._beside(collected.replies))

    def aggregate(self, state: ServerState, collected: Collected, missing: Collection[int] = ()) -> ServerState:
        """Average the updates and step: G = mean(h_i + D_i), w -= step(G); the round is then over.

        Args:
            state: after the broadcast.
            collected: the updates that count.
            missing: clients that were asked and whose updates do not count: they go back to the memories that they had.
        """
        clients = collected.clients
        counted = set(clients)
        downlink = self.downlink.acknowledge(state.downlink, clients)
        share = len(clients) / max(len(clients) + len(missing), 1)
        mean, uplink = self.uplink.mean(collected.uplink, collected.totals, clients, share)
        uplink = replace(uplink, taken={**uplink.taken, **dict.fromkeys(clients, state.round + 1)})
        model, optimizer, beside = state.model, state.optimizer, state.beside
        if mean is not None:
            step, optimizer = self.optimizer.step(mean.to(model.dtype), optimizer, model)
            model, downlink = self.downlink.step(downlink, model, step, state.round)
            beside = beside if self.beside is None else self.beside.after(beside, model, collected.beside)
        restarting = tuple(client for client in state.restarting if client not in counted)
        undoing = tuple(sorted({*state.undoing, *missing} - counted))
        return ServerState(
            state.round + 1, model, optimizer, downlink, uplink, restarting, undoing, beside, state.waiting
        )

    def forget(self, state: ServerState, clients: Collection[int]) -> ServerState:
        """Reset the memories of clients on this end; the next message to each resets them on the other."""
        restarting = tuple(sorted({*state.restarting, *clients}))
        undoing = tuple(client for client in state.undoing if client not in restarting)
        downlink, uplink = self.downlink.forget(state.downlink, clients), self.uplink.forget(state.uplink, clients)
        return replace(state, downlink=downlink, uplink=uplink, restarting=restarting, undoing=undoing)

    def rehearse(self, model: Tensor) -> None:
        """Send a model-sized vector [d] through both links and the sum, so that all code for it is compiled."""
        for link in (self.uplink.link, self.downlink.link):
            memory = link.send(model, None, self.downlink.key(0)).memory
            sent = link.send(model, memory, self.downlink.key(0))
            change = link.decode(sent.frame, memory, self.downlink.key(0), len(model))
            ExactSum.zeros(len(model)).add(change)
            exact_total([change], [1.0])

    def receiver(self) -> Receiver:
        """A worker's end of the downlink."""
        return self.downlink.receiver()

    def _told(self, state: ServerState, cohort: tuple[int, ...]) -> tuple[bytes, ...]:
        """The message with what goes to everyone beside the model, if there is any."""
        told = self.beside.tell(state.beside) if self.beside is not None and cohort else None
        if told is None:
            return ()
        return (Message(Kind.BESIDE, self.downlink.run, state.round, EVERYONE, 0, vectors.pack(told)).pack(),)

    def _first(self, state: ServerState, cohort: tuple[int, ...]) -> dict[int, bytes]:
        """The messages that say what becomes of clients' memories."""
        first = {client: self.downlink.restart(state.round, client) for client in cohort if client in state.restarting}
        for client in cohort:
            if client in state.undoing and client not in first:
                first[client] = self.downlink.undo(state.round, client, state.uplink.taken.get(client, 0))
        return first

    def _beside(self, replies: Sequence[Message]) -> Tensor | None:
        """What clients sent beside their updates, added."""
        if self.beside is None or not self.beside.up or not replies:
            return None
        total = ExactSum.zeros(self.beside.up)
        for reply in replies:
            total.add(vectors.unpack(reply.beside, self.beside.up))
        return total.total()


def assemble(
    row: Row,
    uplink: Link,
    downlink: Link,
    optimizer: ServerOptimizer,
    context: Context,
    beside: Beside | None = None,
) -> Algorithm:
    """Bind a row and its links, and what travels beside the model, to a run.

    Raises:
        ConfigurationError: a link cannot serve the dimension or does not fit the row.
    """
    end = _downlink(row, uplink, downlink)
    up, down = uplink.resolve(context.dim), downlink.resolve(context.dim)
    weights = tuple(map(float, context.samples)) if row.weights == "samples" else (1.0,) * len(context.samples)
    averaged = row.estimator == "PP2" and up.remembers
    estimator = MeanOfMemories if averaged else MeanOfActive
    return Algorithm(
        row,
        end(down, context.seed, context.run, context.dim),
        estimator(up, context.seed, context.dim, weights, context.probability, context.volatile, context.dtype),
        optimizer,
        beside,
    )


def _downlink(row: Row, uplink: Link, downlink: Link) -> type[Downlink]:
    """The class that serves a row."""
    if isinstance(uplink.memory, Difference):
        raise ConfigurationError(
            "uplink: memory Difference is for the downlink; choose Shift, ErrorFeedback or NoMemory"
        )
    if isinstance(downlink.memory, Difference):
        if row.compresses != "model" or row.sent_to != "each":
            raise ConfigurationError("downlink: memory Difference needs compresses = model and sent_to = each")
        return MovedModel
    if row.sent_to == "each":
        return UnicastModel
    return BroadcastModel if row.compresses == "model" else BroadcastStep
