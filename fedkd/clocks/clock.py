"""The clock: when a round's replies arrive in virtual time, which are late, and when the server goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from fedkd.clocks.deadline import Deadline, Learned
from fedkd.clocks.latency import Floats, Ints, Latency

EMPTY: Learned = MappingProxyType({})


@dataclass(frozen=True)
class Finish:
    """When a round's replies arrive.

    Args:
        seconds: virtual, from the round's start to each client's arrival.
        late: sorted clients that arrive after the deadline.
        round_seconds: virtual, from the round's start until the server goes on: the deadline if anyone is late,
            else the last arrival, else (nobody was asked) 0.
    """

    seconds: Mapping[int, float]
    late: tuple[int, ...]
    round_seconds: float

    @property
    def told(self) -> dict[int, str]:
        """Of those that are late, why they do not count."""
        limit = self.round_seconds
        return {
            client: f"late: {self.seconds[client]:.4g} virtual seconds, deadline {limit:.4g}" for client in self.late
        }


@dataclass(frozen=True)
class Clock:
    """Latency and deadline of a run.

    Example:
        >>> clock = Clock(Constant(seconds_a_sample=0.1, mbit_up=1.0, mbit_down=1.0), After(seconds=6.0))
        >>> clock.finish(0, (3, 8), (20, 50), (125_000, 125_000), (250_000, 250_000), seed=0)
        Finish(seconds={3: 5.0, 8: 8.0}, late=(8,), round_seconds=6.0)
    """

    latency: Latency
    deadline: Deadline

    def finish(
        self,
        round_: int,
        clients: Ints,
        work: Floats,
        bytes_down: Ints,
        bytes_up: Ints,
        seed: int,
        learned: Learned = EMPTY,
    ) -> Finish:
        """When the replies of a round arrive; an arrival at the deadline itself is in time.

        Args:
            round_: counted from 0.
            clients: those that answer, distinct, in any order [K].
            work: samples that each goes through in the round [K].
            bytes_down: of all messages that each receives [K].
            bytes_up: of each reply [K].
            seed: of the run.
            learned: by the deadline, from the rounds before.
        """
        drawn = self.latency.seconds(round_, clients, work, bytes_down, bytes_up, seed)
        seconds: dict[int, float] = dict(zip(clients, drawn.tolist(), strict=True))
        limit = self.deadline.limit(np.sort(drawn), learned, seed, round_) if seconds else 0.0
        late = tuple(sorted(client for client, arrival in seconds.items() if arrival > limit))
        return Finish(seconds, late, limit if late else max(seconds.values(), default=0.0))

    def learn(self, finish: Finish, learned: Learned) -> Learned:
        """What the deadline has learned after a round; of a round without replies there is nothing to learn."""
        if not finish.seconds:
            return learned
        return self.deadline.learn(np.sort(np.array(list(finish.seconds.values()))), learned)
