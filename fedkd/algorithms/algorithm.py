"""An algorithm is a row of a table: two links, what the downlink compresses, and to whom it is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from fedkd.algorithms.broadcast_model import BroadcastModel
from fedkd.algorithms.broadcast_step import BroadcastStep
from fedkd.algorithms.downlinks import Downlink, DownlinkState, Receiver
from fedkd.algorithms.server_optimizers import OptimizerState, ServerOptimizer
from fedkd.algorithms.unicast_model import UnicastModel
from fedkd.algorithms.uplinks import MeanOfActive, MeanOfMemories, Uplink, UplinkState
from fedkd.clients.store import ClientStore
from fedkd.errors import ConfigurationError
from fedkd.links import Link
from fedkd.messages import Broadcast, Message

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
    """

    seed: int
    run: int
    dim: int
    samples: tuple[int, ...]
    probability: float


@dataclass(frozen=True)
class ServerState:
    """Everything that the server knows; a value.

    Args:
        round: the next round.
        model: w [d].
    """

    round: int
    model: Tensor
    optimizer: OptimizerState
    downlink: DownlinkState
    uplink: UplinkState


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
        """The messages of the next round."""
        broadcast, downlink = self.downlink.broadcast(state.downlink, state.model, state.round, cohort)
        return broadcast, replace(state, downlink=downlink)

    def aggregate(self, state: ServerState, replies: Sequence[Message]) -> ServerState:
        """Average the updates and step: G = mean(h_i + D_i), w -= step(G); the round is then over."""
        downlink = self.downlink.acknowledge(state.downlink, [reply.client for reply in replies])
        mean, uplink = self.uplink.mean(state.uplink, replies)
        model, optimizer = state.model, state.optimizer
        if mean is not None:
            step, optimizer = self.optimizer.step(mean.to(model.dtype), optimizer)
            model, downlink = self.downlink.step(downlink, model, step, state.round)
        return ServerState(state.round + 1, model, optimizer, downlink, uplink)

    def receiver(self, store: ClientStore) -> Receiver:
        """A worker's end of the downlink."""
        return self.downlink.receiver(store)


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
        estimator(up, context.seed, context.dim, weights, context.probability),
        optimizer,
    )
