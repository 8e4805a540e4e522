"""Latency: how many virtual seconds pass until a client's reply is at the server.

    seconds = 8 bytes_down / (10^6 mbit_down) + compute + 8 bytes_up / (10^6 mbit_up)

Bytes are those of whole messages, headers included. Nothing is measured: the same run on a faster machine takes the
same virtual time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd.data.bounds import at_least, positive
from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd_compression import Key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Seconds = NDArray[np.float64]

Ints = Sequence[int]
Floats = Sequence[float]
BYTES_A_MBIT = 125_000
MOST_SIGMA = 10.0
"""Of a lognormal: a draw lies within 5.5 sigma, and its factor stays a finite number."""


class Latency(ABC):
    """The law of the clients' times: a pure function of what they do, the seed, the round and the client."""

    @abstractmethod
    def seconds(self, round_: int, clients: Ints, work: Floats, bytes_down: Ints, bytes_up: Ints, seed: int) -> Seconds:
        """Virtual seconds [K] from the round's start until each client's reply is at the server.

        A client's entry does not depend on who else is asked about, nor on the order.

        Args:
            round_: counted from 0.
            clients: distinct, in any order [K].
            work: samples that each goes through in the round: its own times the epochs [K].
            bytes_down: of all messages that each receives [K].
            bytes_up: of each reply [K].
            seed: of the run.
        """

    def check(self) -> None:
        """Refuse, before anything is loaded, what the law needs and cannot find (ConfigurationError)."""
        return


def transfer(bytes_: Ints, mbit: float | Seconds) -> Seconds:
    """Seconds [K] that messages take at ``mbit`` million bits a second: of all links, or of each [K].

    Example:
        >>> transfer([125_000, 0], 1.0)
        array([1., 0.])
    """
    return np.asarray(bytes_, dtype=np.float64) / (BYTES_A_MBIT * mbit)


@dataclass(frozen=True)
class Instant(Latency):
    """No time passes."""

    def seconds(self, round_: int, clients: Ints, work: Floats, bytes_down: Ints, bytes_up: Ints, seed: int) -> Seconds:
        """Zeros."""
        return np.zeros(len(clients))


@dataclass(frozen=True)
class Constant(Latency):
    """Equal clients: compute = seconds_a_sample x work.

    Args:
        seconds_a_sample: >= 0.
        mbit_up: million bits a second from a client, > 0.
        mbit_down: million bits a second to a client, > 0.
    """

    seconds_a_sample: float
    mbit_up: float
    mbit_down: float

    def __post_init__(self) -> None:
        at_least(self, "seconds_a_sample", 0)
        positive(self, "mbit_up")
        positive(self, "mbit_down")

    def seconds(self, round_: int, clients: Ints, work: Floats, bytes_down: Ints, bytes_up: Ints, seed: int) -> Seconds:
        """Receiving, computing, sending, one after another."""
        compute = self.seconds_a_sample * np.asarray(work, dtype=np.float64)
        return transfer(bytes_down, self.mbit_down) + compute + transfer(bytes_up, self.mbit_up)


@dataclass(frozen=True)
class Lognormal(Latency):
    """Unequal clients: compute = seconds_a_sample x work x exp(sigma_clients z_i + sigma_rounds z_ik).

    A client's link has exp(sigma_links y_i) times the bandwidths, up and down. z_i and y_i are drawn once for client i,
    z_ik for its round k: independent standard normals.

    Args:
        seconds_a_sample: the median, >= 0.
        sigma_clients: of the logarithm, between clients, in [0, 10].
        sigma_rounds: of the logarithm, between the rounds of a client, in [0, 10].
        sigma_links: of the logarithm of a client's bandwidths, between clients, in [0, 10].
        mbit_up: million bits a second from a client, the median, > 0.
        mbit_down: million bits a second to a client, the median, > 0.
    """

    seconds_a_sample: float
    sigma_clients: float
    sigma_rounds: float
    sigma_links: float
    mbit_up: float
    mbit_down: float

    def __post_init__(self) -> None:
        at_least(self, "seconds_a_sample", 0)
        for name in ("sigma_clients", "sigma_rounds", "sigma_links"):
            sigma = getattr(self, name)
            if not 0 <= sigma <= MOST_SIGMA:
                raise ConfigurationError(f"Lognormal: {name}={sigma} is outside [0, {MOST_SIGMA:g}]; choose one in it")
        positive(self, "mbit_up")
        positive(self, "mbit_down")

    def seconds(self, round_: int, clients: Ints, work: Floats, bytes_down: Ints, bytes_up: Ints, seed: int) -> Seconds:
        """Receiving, computing, sending, one after another."""
        own = normals(key(seed, "latency").fold("clients"), clients)
        now = normals(key(seed, "latency", round_).fold("round"), clients)
        factor = np.exp(self.sigma_clients * own + self.sigma_rounds * now)
        compute = self.seconds_a_sample * np.asarray(work, dtype=np.float64) * factor
        width = self._widths(clients, seed)
        return transfer(bytes_down, self.mbit_down * width) + compute + transfer(bytes_up, self.mbit_up * width)

    def _widths(self, clients: Ints, seed: int) -> Seconds:
        """Each client's bandwidth in units of the median [K]."""
        if self.sigma_links == 0:
            return np.ones(len(clients))
        widths: Seconds = np.exp(self.sigma_links * normals(key(seed, "latency").fold("links"), clients))
        return widths


def normals(stream: Key, clients: Ints) -> Seconds:
    """A standard normal for each client, float64 [K]: word i of the stream is client i's, whoever else is asked about.

    A word gives an odd multiple of 2^-25 in (0, 1), and that the normal's quantile.
    """
    chosen = torch.tensor(clients, dtype=torch.int64)
    words = stream.dither(max(clients, default=-1) + 1)[0, chosen]
    drawn: Seconds = torch.special.ndtri(words.double() + 0.5).numpy()
    return drawn
