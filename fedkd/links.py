"""A link: an operator and a memory. The same object serves up and down, sender and receiver.

A memory says what is compressed and what both ends keep (notation of docs/notation.md):

| memory | compressed | received | kept |
|---|---|---|---|
| NoMemory | D = C(x) | D | nothing |
| Shift(rate) | D = C(x - h) | h + D | h + rate D, equal on both ends |
| ErrorFeedback(weight) | D = C(x + weight e) | D | e = x + weight e - D, on the sender |
| Difference(probability) | D = C(x - x_before), or x | h + D, or x | x on the sender, the received on the receiver |

With a lossless operator a memory could only add rounding, so the link then keeps none: every
algorithm with Identity links is plain SGD, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch

from fedkd.errors import ConfigurationError
from fedkd_compression import Identity, Key, Named, Operator, OperatorError, compress_in_pieces, decompress

if TYPE_CHECKING:
    from torch import Tensor


class Sent(NamedTuple):
    """What sending gives: the bytes, the change [d] that they carry, the sender's new memory.

    Args:
        pieces: of the frame; one may be the memory of the vector that was sent.
    """

    pieces: tuple[bytes | memoryview, ...]
    change: Tensor
    memory: Tensor | None

    @property
    def frame(self) -> bytes:
        """The pieces joined."""
        return b"".join(self.pieces)


class Received(NamedTuple):
    """What receiving gives: the vector [d] and the receiver's new memory."""

    received: Tensor
    memory: Tensor | None


@dataclass(frozen=True)
class NoMemory:
    """Every vector is compressed by itself."""


@dataclass(frozen=True)
class Shift:
    """Compress the difference to a memory that both ends move alike: h += rate C(x - h).

    Source: DIANA (Mishchenko et al.), Artemis and MCM (Philippenko and Dieuleveut). Shift(1) with a
    contractive operator is EF21.

    Args:
        rate: alpha in (0, 1/(omega+1)] for an unbiased operator, or "auto": 1/(2(omega+1)).
        start: "zero", or "first": the first vector on the link is sent in full, and is the memory.
    """

    rate: float | Literal["auto"]
    start: Literal["zero", "first"]


@dataclass(frozen=True)
class ErrorFeedback:
    """Send what was lost before along with the next vector; only the sender remembers.

    Source: DoubleSqueeze (Tang et al.) with weight 1; DORE (Liu et al.) weighs it by eta.

    Args:
        weight: how much of the loss is sent again, in (0, 1].
    """

    weight: float

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1:
            raise ConfigurationError(f"ErrorFeedback: weight={self.weight} is outside (0, 1]; choose weight = 1")


@dataclass(frozen=True)
class Difference:
    """On the downlink: compress what the model has moved by since the last message, and at times send it whole.

    Source: MARINA-P (Gruntkowska, Tyurin, Richtarik, 2024). The two ends hold different vectors, so this is no shift:
    ``fedkd.algorithms.moved_model`` has the recursion.

    Args:
        probability: of a round in which the model itself is sent, in (0, 1].
    """

    probability: float

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise ConfigurationError(
                f"Difference: probability={self.probability:g} is outside (0, 1]; choose probability = 0.1"
            )


Memory = NoMemory | Shift | ErrorFeedback | Difference


@dataclass(frozen=True)
class Link:
    """One direction of communication: operator + memory.

    Example:
        >>> link = Link(SubtractiveDither(step=1.0), Shift(rate="auto", start="zero")).resolve(dim=10)
        >>> link.memory.rate                                       # omega = 1/12
        0.46153846153846156
    """

    operator: Operator
    memory: Memory

    @property
    def remembers(self) -> bool:
        """Whether both ends keep a vector between messages."""
        return isinstance(self.memory, Shift) and not self.operator.traits.lossless

    @property
    def rate(self) -> float:
        """The resolved rate of a Shift memory; 0 for other memories."""
        if isinstance(self.memory, Shift) and self.memory.rate != "auto":
            return float(self.memory.rate)
        return 0.0

    def shaped(self, tensors: tuple[Named, ...]) -> Link:
        """The link for vectors that are these tensors laid end to end.

        Raises:
            ConfigurationError: the operator cannot serve these tensors.
        """
        try:
            return replace(self, operator=self.operator.shaped(tensors))
        except OperatorError as error:
            raise ConfigurationError(str(error)) from None

    def resolve(self, dim: int) -> Link:
        """The link for vectors of this dimension: its rate is a number within its bound.

        Raises:
            ConfigurationError: the operator cannot serve the dimension, or the rate is out of range.
        """
        try:
            self.operator.check(dim)
        except OperatorError as error:
            raise ConfigurationError(str(error)) from None
        if not isinstance(self.memory, Shift):
            return self
        return replace(self, memory=replace(self.memory, rate=_rate(self.operator, self.memory.rate, dim)))

    def send(self, x: Tensor, memory: Tensor | None, key: Key) -> Sent:
        """Compress x [d] against the sender's memory; ``memory`` None means that none was started."""
        return self.send_rows(x[None], None if memory is None else memory[None], key)[0]

    def send_rows(self, x: Tensor, memory: Tensor | None, key: Key) -> list[Sent]:
        """``send`` for the vectors of several senders at once, on the device where they are: the same bytes.

        Args:
            x: [K, d].
            memory: of all senders [K, d], or None: none of them has started one.
            key: K rows.
        """
        if self.in_full(memory):
            frames, change = compress_in_pieces(Identity(), x, key)
            return _each(frames, change, x.clone())
        target = self._target(x, memory)
        frames, change = compress_in_pieces(self.operator, target, key)
        if isinstance(self.memory, ErrorFeedback) and not self.operator.traits.lossless:
            return _each(frames, change, target - change)
        # What was compressed is not needed any more, unless a frame lies in it; a fresh vector would be paged in first.
        spare = target is not x and not any(_lies_in(piece, target) for frame in frames for piece in frame)
        return _each(frames, change, self.move(change, memory, target if spare else None))

    def decode(
        self, frame: bytes | memoryview, memory: Tensor | None, key: Key, dim: int, lent: bool = False
    ) -> Tensor:
        """The decompressed change [d] that a frame carries; ``memory`` tells whether it came in full.

        ``lent``: whether the change may lie in the frame's memory, which is then not to be written.

        Raises:
            WireError: the bytes are no frame of this link.
        """
        operator = Identity() if self.in_full(memory) else self.operator
        return decompress(operator, [frame], key, dim, lent=lent)[0]

    def apply(self, change: Tensor, memory: Tensor | None) -> Received:
        """The received vector and the memory after a change [d]: what either end of the link does."""
        return Received(self.received(change, memory), self.move(change, memory))

    def received(self, change: Tensor, memory: Tensor | None) -> Tensor:
        """The vector that a change [d] stands for: h + D where the link remembers, else D."""
        return change if memory is None or not self.remembers else memory + change

    def move(self, change: Tensor, memory: Tensor | None, out: Tensor | None = None) -> Tensor | None:
        """The memory after a change [d], in ``out`` if given; None for a link that does not remember."""
        if not self.remembers:
            return None
        if memory is None:
            return change.clone() if self.in_full(memory) else change * self.rate
        return torch.add(memory, change, alpha=self.rate, out=out)

    def receive(self, frame: bytes | memoryview, memory: Tensor | None, key: Key, dim: int) -> Received:
        """Decode a frame and apply it."""
        return self.apply(self.decode(frame, memory, key, dim), memory)

    def in_full(self, memory: Tensor | None) -> bool:
        """Whether the next vector is the first of a memory that starts with it, so is sent as it is."""
        return self.remembers and memory is None and isinstance(self.memory, Shift) and self.memory.start == "first"

    def _target(self, x: Tensor, memory: Tensor | None) -> Tensor:
        if memory is None or self.operator.traits.lossless:
            return x
        if isinstance(self.memory, ErrorFeedback):
            return x.add(memory, alpha=self.memory.weight)
        return x - memory


def _lies_in(piece: bytes | memoryview, vectors: Tensor) -> bool:
    """Whether a piece of a frame is the memory of vectors."""
    if not len(piece) or vectors.device.type != "cpu":
        return False
    return np.may_share_memory(np.frombuffer(piece, np.uint8), vectors.numpy())


def _each(frames: Sequence[tuple[bytes | memoryview, ...]], change: Tensor, memory: Tensor | None) -> list[Sent]:
    memories = [None] * len(frames) if memory is None else list(memory)
    return [Sent(*parts) for parts in zip(frames, change, memories, strict=True)]


def _rate(operator: Operator, rate: float | str, dim: int) -> float:
    """A rate within its bound: (0, 1/(omega+1)] when unbiased, (0, 1] when contractive."""
    omega = operator.omega(dim)
    if omega is None and rate == "auto":
        name = type(operator).__name__
        raise ConfigurationError(
            f"Shift: rate=auto needs an unbiased operator, {name} is not; choose rate = 1 or an unbiased operator"
        )
    if isinstance(rate, str):
        return 1 / (2 * ((omega or 0.0) + 1))
    bound = 1.0 if omega is None else 1 / (omega + 1)
    if not 0 < rate <= bound:
        raise ConfigurationError(
            f"Shift: rate={rate:g} is outside (0, {bound:.4g}] for {operator} at dim={dim}; choose rate = auto"
        )
    return float(rate)
