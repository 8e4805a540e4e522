"""Whether client states stay where they are used: a configured value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from fedkd.clients.resident_store import ResidentStore
from fedkd.clients.stores import Store
from fedkd.errors import ConfigurationError
from fedkd.predict import Threshold

MEBIBYTE = 1 << 20


class Residency(ABC):
    """What becomes of a client's state on the worker's device when its round is over."""

    @abstractmethod
    def around(self, store: Store) -> Store:
        """A worker's store, with what it keeps of it."""


@dataclass(frozen=True)
class Evict(Residency):
    """Every state goes to the store, and is loaded again when its client is trained again."""

    def around(self, store: Store) -> Store:
        """The store itself."""
        return store


@dataclass(frozen=True)
class SkiRental(Residency):
    """A copy stays on the device for as many rounds as pays, which is learned.

    Args:
        price: rounds of keeping a state that are worth loading it once, > 0: with 8, a state that is used again every
            7th round stays, and one that is used every 20th goes.
        mebibytes: of copies on one worker, at most; >= 1.
    """

    price: float
    mebibytes: int

    def __post_init__(self) -> None:
        if not 0 < self.price <= 10**6:
            raise ConfigurationError(f"SkiRental: price={self.price:g} is outside (0, 10^6]; choose price = 8")
        if not 1 <= self.mebibytes <= 2**24:
            raise ConfigurationError(
                f"SkiRental: mebibytes={self.mebibytes} is outside [1, 2^24]; choose mebibytes = 1024"
            )

    def around(self, store: Store) -> Store:
        """The store behind copies."""
        return ResidentStore(store, Threshold(self.price), self.mebibytes * MEBIBYTE)
