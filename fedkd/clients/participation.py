"""Who takes part in a round: a function of the round's key alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from fedkd.errors import ConfigurationError
from fedkd_compression import Key


class Participation(ABC):
    """The law of the cohort."""

    @abstractmethod
    def draw(self, clients: int, key: Key) -> tuple[int, ...]:
        """The sorted cohort of one round, out of clients 0 .. clients-1."""

    @abstractmethod
    def probability(self, clients: int) -> float:
        """p: how likely one client takes part in one round."""

    def most(self, clients: int) -> int:
        """Clients of the largest cohort that there can be."""
        return clients

    def check(self, clients: int) -> None:
        """Refuse a number of clients that the law cannot serve (ConfigurationError)."""
        return


@dataclass(frozen=True)
class Full(Participation):
    """Every client, every round."""

    def draw(self, clients: int, key: Key) -> tuple[int, ...]:
        """All clients."""
        return tuple(range(clients))

    def probability(self, clients: int) -> float:
        """One."""
        return 1.0


@dataclass(frozen=True)
class Bernoulli(Participation):
    """Each client by itself with the same probability; a cohort may be empty.

    Args:
        p: probability in (0, 1].
    """

    p: float

    def __post_init__(self) -> None:
        if not 0 < self.p <= 1:
            raise ConfigurationError(f"Bernoulli: p={self.p:g} is outside (0, 1]; choose p in it")

    def draw(self, clients: int, key: Key) -> tuple[int, ...]:
        """Clients whose uniform falls below p."""
        uniforms = key.uniforms(clients)[0].tolist()
        return tuple(client for client, u in enumerate(uniforms) if u < self.p)

    def probability(self, clients: int) -> float:
        """The probability p."""
        return self.p


@dataclass(frozen=True)
class FixedCohort(Participation):
    """The same number of clients each round, drawn without replacement.

    Args:
        size: clients a round, in 1 .. clients.
    """

    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigurationError(f"FixedCohort: size={self.size} is below 1; choose size >= 1")

    def check(self, clients: int) -> None:
        """The cohort must fit into the population."""
        if self.size > clients:
            raise ConfigurationError(f"FixedCohort: size={self.size} exceeds clients={clients}; choose size <= clients")

    def most(self, clients: int) -> int:
        """The size."""
        return self.size

    def draw(self, clients: int, key: Key) -> tuple[int, ...]:
        """The first clients of a permutation, sorted."""
        return tuple(sorted(key.permutation(clients)[: self.size].tolist()))

    def probability(self, clients: int) -> float:
        """Size / clients."""
        return self.size / clients
