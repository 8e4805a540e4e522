"""A pool: the executor whose workers are behind a hub, be they processes, threads or MPI ranks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from fedkd import vectors
from fedkd.algorithms import Partial
from fedkd.clients.packed import pack_state, unpack_state
from fedkd.errors import StorageError
from fedkd.executors.dispatch import DEATHS, Dispatch
from fedkd.executors.executor import Carried, ClientError, Exchange, Executor, Refresh, Site
from fedkd.executors.lines import Hub
from fedkd.executors.loop import committing, read_reply
from fedkd.executors.moves import Moves
from fedkd.executors.orders import Reply
from fedkd.executors.parcels import NOBODY, Kind, Parcel
from fedkd.executors.placement import Seat
from fedkd.messages import Broadcast
from fedkd.predict import Durations, Regret
from fedkd_compression import WireError

if TYPE_CHECKING:
    from torch import Tensor

STATE_BYTES = 8
"""Of a client's state, for each parameter, before one was seen."""


class Pool(Executor):
    """Hands out clients to workers that ask for them, the longest first, and survives a worker's death.

    Attributes:
        durations: how long clients take, learned from round to round.
        moves: what takes clients to other workers; None where they stay.
        homes: where a client's state is, if not every worker can read it.
        committed: the rounds of the checkpoints that are kept.
        alive: workers that are there.
        uninformed: those of them that have not heard of the run yet.
        again: replies that came when their clients had answered.
    """

    def __init__(self, hub: Hub, site: Site) -> None:
        self.hub, self.site = hub, site
        self.durations = Durations()
        self.homes: dict[int, str] = {}
        self.committed: tuple[int, ...] = ()
        self.alive = set(range(len(hub.seats)))
        self.uninformed = set(self.alive)
        self.again: list[Reply] = []
        self.several_homes = len({self.home_of(worker) for worker in self.alive}) > 1
        # Where every worker reads every state, there is nothing to place: idle workers pull.
        placed = self.several_homes and site.schedule.placement == "matching"
        self._residency: Regret | None = None
        self.moves = Moves(STATE_BYTES * site.dim) if placed else None

    def exchange(self, broadcast: Broadcast, refresh: Refresh) -> Exchange:
        """One round: states move, everyone hears the broadcast, clients are pulled from a queue, sums are collected."""
        moved = self.moves.place(self, broadcast.cohort) if self.moves is not None else 0
        dispatch = Dispatch(self, broadcast, refresh)
        while True:
            dispatch.train()
            partials = self._sums(dispatch)
            if dispatch.complete:
                again, self.again = self.again, []
                replies, partial = [*dispatch.replies, *again], Partial.merged(partials)
                return Exchange(replies, partial, dispatch.placements, moved=moved, learned=self._learned())

    def evaluate(self, model: Tensor) -> dict[str, float]:
        """By the first worker that is there."""
        order = Parcel(Kind.EVALUATE, parts=(vectors.pack(model),))
        for _ in range(DEATHS):
            for answer in self.ask([min(self.alive)], order).values():
                return dict(zip(bytes(answer.parts[0]).decode().split("\n"), answer.numbers, strict=True))
        raise ClientError(f"evaluation: its worker died, {DEATHS} times")

    def commit(self, rounds: tuple[int, ...], undone: Mapping[int, int]) -> Carried:
        """By all; what a worker that died had written is in the host's page cache, and reaches the disk without it."""
        self.committed = rounds
        answers = self.ask(sorted(self.alive), committing(rounds, undone)).values()
        self._residency = Regret.joined(Regret.of(answer.numbers) for answer in answers if answer.numbers)
        states = dict(sorted((unpack_state(part) for answer in answers for part in answer.parts), key=itemgetter(0)))
        schedule: dict[str, Mapping[Any, Any]] = {"durations": self.durations.keep(), "homes": dict(self.homes)}
        return Carried(states, schedule if self.moves is None else {**schedule, "moves": self.moves.keep()})

    def restore(self, rounds: tuple[int, ...], carried: Carried) -> None:
        """Deal the clients to the workers, where they are at home from now on; on other workers times differ."""
        workers, self.committed = sorted(self.alive), rounds
        if carried.schedule:
            self.durations = Durations.resumed(carried.schedule["durations"])
            if self.moves is not None and "moves" in carried.schedule:
                self.moves.take_up(carried.schedule["moves"])
            if self.site.shared_states and self.several_homes:
                self.homes = dict(carried.schedule["homes"])
        for index, worker in enumerate(workers):
            mine = {client: state for client, state in carried.states.items() if client % len(workers) == index}
            self.homes |= dict.fromkeys(mine, self.home_of(worker))
            parts = tuple(pack_state(client, state) for client, state in mine.items())
            self.hub.send(worker, Parcel(Kind.RESTORE, rounds[-1], parts=parts))

    @property
    def seats(self) -> Sequence[Seat]:
        """Where the workers run."""
        return self.hub.seats

    def close(self) -> None:
        """Let the workers go."""
        self.hub.close()

    def home_of(self, worker: int) -> str:
        """What a client's state is bound to: its worker, or, where states are shared, the worker's host."""
        return self.hub.seats[worker].host if self.site.shared_states else str(worker)

    def ask(self, workers: Iterable[int], order: Parcel) -> dict[int, Parcel]:
        """Give an order to workers and wait for their answers; without those of workers that died.

        Raises:
            ClientError: a worker failed, or none is left.
        """
        asked = sorted(workers)
        for worker in asked:
            self.hub.send(worker, order)
        return self.answers(asked)

    def answers(self, workers: Iterable[int]) -> dict[int, Parcel]:
        """Wait for an answer of each; without those of workers that died.

        Raises:
            ClientError: a worker failed, or none is left.
            WireError: a worker answered that was not asked.
        """
        left, answers = set(workers), {}
        while left:
            worker, answer, died = self.hub.wait()
            if answer is not None and answer.kind is Kind.REPLY:
                self.again.append(read_reply(answer))
                continue
            if answer is None:
                self.bury(worker, died)
            else:
                answers[worker] = self.checked(worker, answer)
                if worker not in left:
                    raise WireError(f"{self._named(worker)}: {answer.kind.name}, which it was not asked for")
            left.discard(worker)
        return answers

    def checked(self, worker: int, answer: Parcel) -> Parcel:
        """The answer, unless it tells of a failure (ClientError, StorageError)."""
        if answer.kind is not Kind.FAILED:
            return answer
        message, trace = (bytes(part).decode() for part in answer.parts)
        if answer.numbers:
            raise StorageError(message)
        client = "" if answer.client == NOBODY else f"client {answer.client}, "
        raise ClientError(f"{client}round {answer.round}, {self._named(worker)}: {message}", trace)

    def bury(self, worker: int, died: str) -> None:
        """Put another worker in a dead one's place, where that can be done.

        Raises:
            ClientError: client memories died with it, or no worker is left.
        """
        if not self.site.shared_states:
            raise ClientError(f"{self._named(worker)} {died}, and its clients' memories with it; choose store=folder")
        self.alive.discard(worker)
        if self.hub.replace(worker):
            self.alive.add(worker)
            self.uninformed.add(worker)
        if not self.alive:
            raise ClientError(f"{self._named(worker)} {died}, and no other is left")

    def _learned(self) -> dict[str, Regret]:
        """What predictions have cost so far."""
        duals = None if self.moves is None else self.moves.matched.regret()
        learned = {"durations": self.durations.regret(), "duals": duals, "residency": self._residency}
        return {name: regret for name, regret in learned.items() if regret is not None}

    def _sums(self, dispatch: Dispatch) -> list[Partial]:
        """What each worker's clients add up to; the clients of a worker that dies instead are run again."""
        if not dispatch.reduced:
            return []
        answers = self.ask(dispatch.trained, Parcel(Kind.SUM, dispatch.round))
        for worker in dispatch.fallen:
            dispatch.lose(worker)
        summed = [answer.parts for answer in answers.values() if answer.parts]  # None where all its clients failed.
        return [Partial.unpack(parts, self.site.dim, self.site.beside) for parts in summed]

    def _named(self, worker: int) -> str:
        seat = self.hub.seats[worker]
        return f"worker {worker} on {seat.host} ({seat.device})"
