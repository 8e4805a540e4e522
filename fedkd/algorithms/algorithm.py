"""An algorithm is a row of a table: two links, what the downlink compresses, and to whom it is sent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from fedkd.algorithms.broadcast_model import BroadcastModel
from fedkd.algorithms.broadcast_step import BroadcastStep
from fedkd.algorithms.downlinks import Downlink, DownlinkState, Receiver
from fedkd.algorithms.server_optimizers import OptimizerState, ServerOptimizer
from fedkd.algorithms.totals import Partial
from fedkd.algorithms.unicast_model import UnicastModel
from fedkd.algorithms.uplinks import MeanOfActive, MeanOfMemories, Uplink, UplinkState
from fedkd.errors import ConfigurationError
from fedkd.links import Link
from fedkd.messages import Broadcast, Message
from fedkd_compression import ExactSum, exact_total

if TYPE_CHECKING:
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
    """

    seed: int
    run: int
    dim: int
    samples: tuple[int, ...]
    probability: float
    volatile: bool = False


@dataclass(frozen=True)
class ServerState:
    """Everything that the server knows; a value.

    Args:
        round: the next round.
        model: w [d].
        restarting: clients whose memories were reset here, and must be there: the next message says so.
    """

    round: int
    model: Tensor
    optimizer: OptimizerState
    downlink: DownlinkState
    uplink: UplinkState
    restarting: tuple[int, ...] = ()


@dataclass(frozen=True)
class Algorithm:
    """A row with its links, bound to one run: the server's half of every round."""

    row: Row
    downlink: Downlink
    uplink: Uplink
    optimizer: ServerOptimizer

    def start(self, model: Tensor) -> ServerState:
        """The state before the first round, from the initial model [d]."""
        return ServerState(0, model, self.optimizer.start(model), self.downlink.start(model), UplinkState())

    def broadcast(self, state: ServerState, cohort: tuple[int, ...]) -> tuple[Broadcast, ServerState]:
        """The messages of the next round; a client whose memories were reset is told so first."""
        broadcast, downlink = self.downlink.broadcast(state.downlink, state.model, state.round, cohort)
        first = {client: self.downlink.restart(state.round, client) for client in cohort if client in state.restarting}
        if first:
            told = {client: (message, *broadcast.unicast.get(client, ())) for client, message in first.items()}
            broadcast = replace(broadcast, unicast={**broadcast.unicast, **told})
        return broadcast, replace(state, downlink=downlink)

    def refresh(self, state: ServerState) -> tuple[bytes, ...]:
        """What brings a worker that knows nothing to where the next broadcast finds the others; no client pays it."""
        return self.downlink.refresh(state.downlink, state.model, state.round)

    def aggregate(
        self,
        state: ServerState,
        replies: Sequence[Message],
        partial: Partial | None = None,
        missing: Collection[int] = (),
    ) -> ServerState:
        """Average the updates and step: G = mean(h_i + D_i), w -= step(G); the round is then over.

        Args:
            state: after the broadcast.
            replies: that were admitted, in the order of clients.
            partial: what the updates add up to, where workers have added them; the replies are then without them.
            missing: clients whose updates do not count; nobody knows what they hold, so they start anew.
        """
        clients, uplink = [reply.client for reply in replies], state.uplink
        counted = set(clients)
        downlink = self.downlink.acknowledge(state.downlink, clients)
        if partial is None:
            totals, uplink = self.uplink.collect(uplink, replies)
        else:
            totals = partial.totals()
        share = len(clients) / max(len(clients) + len(missing), 1)
        mean, uplink = self.uplink.mean(uplink, totals, clients, share)
        uplink = replace(uplink, taken={**uplink.taken, **dict.fromkeys(clients, state.round + 1)})
        model, optimizer = state.model, state.optimizer
        if mean is not None:
            step, optimizer = self.optimizer.step(mean.to(model.dtype), optimizer)
            model, downlink = self.downlink.step(downlink, model, step, state.round)
        restarting = tuple(client for client in state.restarting if client not in counted)
        after = ServerState(state.round + 1, model, optimizer, downlink, uplink, restarting)
        return self.forget(after, missing) if missing else after

    def forget(self, state: ServerState, clients: Collection[int]) -> ServerState:
        """Reset the memories of clients on this end; the next message to each resets them on the other."""
        restarting = tuple(sorted({*state.restarting, *clients}))
        downlink, uplink = self.downlink.forget(state.downlink, clients), self.uplink.forget(state.uplink, clients)
        return replace(state, downlink=downlink, uplink=uplink, restarting=restarting)

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


def assemble(row: Row, uplink: Link, downlink: Link, optimizer: ServerOptimizer, context: Context) -> Algorithm:
    """Bind a row and its links to a run.

    Raises:
        ConfigurationError: a link cannot serve the dimension or does not fit the row.
    """
    ends = {"model": BroadcastModel, "step": BroadcastStep} if row.sent_to == "all" else {"model": UnicastModel}
    up, down = uplink.resolve(context.dim), downlink.resolve(context.dim)
    weights = tuple(map(float, context.samples)) if row.weights == "samples" else (1.0,) * len(context.samples)
    averaged = row.estimator == "PP2" and up.remembers
    estimator = MeanOfMemories if averaged else MeanOfActive
    return Algorithm(
        row,
        ends[row.compresses](down, context.seed, context.run, context.dim),
        estimator(up, context.seed, context.dim, weights, context.probability, context.volatile),
        optimizer,
    )
