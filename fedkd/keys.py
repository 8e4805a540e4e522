"""Randomness is a function of (seed, purpose, round, client): never of order, process or device."""

from __future__ import annotations

from typing import Literal

from fedkd_compression import Key

Purpose = Literal[
    "data",
    "partition",
    "model",
    "teacher",
    "participation",
    "latency",
    "deadline",
    "train",
    "uplink",
    "downlink",
    "probe",
    "optimizer",
]

EVERYONE = 0xFFFFFFFF
"""The client number of what concerns all clients; a client's own number is always below it."""


def key(seed: int, purpose: Purpose, round_: int = 0, client: int = EVERYONE) -> Key:
    """The stream of 32-bit words that belongs to one purpose, round and client.

    Both ends of a link derive it for themselves, so it is never sent.

    Example:
        >>> key(0, "uplink", 3, 7) == key(0, "uplink", 3, 7)
        True
    """
    return Key.of(seed, purpose, round_, client)
