"""What a reply must say of itself before its update is looked at: the same on the server and where workers add."""

from __future__ import annotations

from dataclasses import dataclass

from fedkd import vectors
from fedkd.algorithms.gate import OPEN, RefusedError
from fedkd.messages import Kind, Message
from fedkd_compression import WireError


class LostError(WireError):
    """A client does not hold the memories which the order changes, nor any to which it could go back."""


@dataclass(frozen=True)
class Expected:
    """The reply of one client to one order.

    Args:
        run: the number that this run's messages carry.
        version: of the client's uplink memory, against which its update is made.
        samples: behind it; None admits any positive number.
        numbers: how many it reports; None admits any.
        beside: numbers that it sends beside its update.
        volatile: whether it may lose its memories, and so be behind the server.
    """

    run: int
    round: int
    client: int
    version: int
    samples: int | None = None
    numbers: int | None = None
    beside: int = 0
    volatile: bool = False

    def read(self, data: bytes | memoryview, receipt: bool = False) -> Message:
        """The message, if it is the one that was asked for.

        Args:
            data: as it came.
            receipt: whether what it carried has been read, and taken out, by a worker.

        Raises:
            WireError: it is damaged, or does not count, and why.
        """
        message = Message.unpack(data)
        why = self._origin(message) or self._content(message)
        if why is not None:
            raise WireError(why)
        if not receipt:
            self._check_beside(message)
        return message

    def _origin(self, message: Message) -> str | None:
        if (message.run, message.round, message.client) != (self.run, self.round, self.client):
            return f"a reply to another run, round or client ({message.round}, {message.client})"
        if message.kind is Kind.LOST and self.volatile:
            raise LostError("has lost its memories")
        if message.kind is Kind.FAILED:
            return "failed"
        if message.kind is not Kind.REPLY:
            return f"answered with {message.kind.name}, not with an update"
        return None

    def _content(self, message: Message) -> str | None:
        if message.memory != self.version:
            why = f"an update against version {message.memory}, the server is at {self.version}"
            if message.memory < self.version and self.volatile:
                raise LostError(why)
            return why
        if message.samples != self.samples if self.samples is not None else message.samples < 1:
            least = "at least 1" if self.samples is None else str(self.samples)
            return f"weighs {message.samples} samples, not {least}"
        if self.numbers is not None and len(message.numbers) != self.numbers:
            return f"reports {len(message.numbers)} numbers, not {self.numbers}"
        return None

    def _check_beside(self, message: Message) -> None:
        """What came beside the update must be finite numbers, as many as there are to be (WireError)."""
        if not self.beside:
            if message.beside:
                raise WireError(f"sends {len(message.beside)} bytes beside its update, not 0")
            return
        try:
            OPEN.judge(vectors.unpack(message.beside, self.beside))
        except RefusedError as error:
            raise WireError(f"beside its update: {error}") from None
