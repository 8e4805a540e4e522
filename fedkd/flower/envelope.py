"""Envelopes: our messages in a Flower message's content, and back.

Every message of ours is one flat uint8 Array of exactly its bytes; round, client and memory version are in its own
header. Beside them a ConfigRecord may say what does not count as communication: for which round they are, stop-watches,
or what a node makes its worker from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

from fedkd_compression import WireError

MESSAGES, NOTES, LESSON = "messages", "notes", "lesson"
"""Names of the records."""
RAW = "fedkd.bytes"
"""How an Array of ours is serialised: not at all."""

Note = str | int | float | bytes


def array(data: bytes | memoryview) -> Array:
    """The bytes as they are, as a flat uint8 Array."""
    return Array("uint8", (len(data),), RAW, bytes(data))


def arrays(parts: Sequence[bytes | memoryview]) -> ArrayRecord:
    """One Array for each part, in order."""
    return ArrayRecord({str(index): array(part) for index, part in enumerate(parts)})


def parts(content: RecordDict, name: str) -> tuple[bytes, ...]:
    """The parts of a record of Arrays, in order; none where there is no such record.

    Raises:
        WireError: an Array that is not ours.
    """
    record = content.get(name)
    if not isinstance(record, ArrayRecord):
        return ()
    for key, value in record.items():
        if (value.dtype, value.stype, value.shape) != ("uint8", RAW, (len(value.data),)):
            raise WireError(f"{name}[{key}]: {value.dtype} {list(value.shape)} as {value.stype}, not bytes of ours")
    return tuple(value.data for value in record.values())


def enclose(messages: Sequence[bytes | memoryview], notes: Mapping[str, Note]) -> RecordDict:
    """A Flower message's content."""
    return RecordDict({MESSAGES: arrays(messages), NOTES: ConfigRecord(dict(notes))})


def number(content: RecordDict, name: str) -> int:
    """A whole number that is said beside the messages.

    Raises:
        WireError: it is not said.
    """
    said = notes(content).get(name)
    if not isinstance(said, int):
        raise WireError(f"{said!r} is not a whole number")
    return said


def notes(content: RecordDict) -> Mapping[str, object]:
    """What is said beside the messages."""
    record = content.get(NOTES)
    return record if isinstance(record, ConfigRecord) else {}
