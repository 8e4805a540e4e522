"""A trainer whose runs get bad updates from chosen clients in chosen rounds, in whatever process they are trained.

It is found through ``plugins=[tests]``. Importing this module wraps ``Worker``: what a client of a ``Tampered`` trainer
sends is changed before anybody admits it, be that the server or, where workers add, the worker. ``silent`` is what the
others are measured by: the client was asked, and there is no update.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from fedkd import keys
from fedkd.clients import ClientState
from fedkd.clients.participation import Participation
from fedkd.executors import Reply, Worker
from fedkd.executors.orders import Order, Verdict, lost
from fedkd.messages import Kind, Message
from fedkd.trainers import Pupil, Serial, Update
from fedkd_compression import Key, framing

if TYPE_CHECKING:
    from fedkd.tasks.learner import Learner
    from fedkd.trainers.solvers import Solver

Expected = Literal["silent", "undisturbed"]
CAP = 100.0
"""A norm that no update of the tests reaches but that which is too long."""
LONG = 200.0
"""The norm of that."""


@dataclass(frozen=True)
class Bad:
    """One way to make an update bad.

    Args:
        why: of what is noted of the client, a regular expression.
        message: changes the message under a right checksum.
        data: changes its bytes.
        update: changes what training gave.
        extra: of the bytes that leave the client and those of an earlier round, what arrives once more.
        like: the run that this one must equal.
    """

    why: str
    message: Callable[[Message], Message] | None = None
    data: Callable[[bytes], bytes] | None = None
    update: Callable[[torch.Tensor], torch.Tensor] | None = None
    extra: Literal["same", "earlier"] | None = None
    like: Expected = "silent"


def _raise(update: torch.Tensor) -> torch.Tensor:
    raise ValueError("this sample cannot be read")


def _flipped(place: Callable[[int], int]) -> Callable[[bytes], bytes]:
    """One bit, in the byte whose place is a function of their number."""

    def flip(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[place(len(data))] ^= 4
        return bytes(changed)

    return flip


ORIGIN = r"a reply to another run, round or client \(\d+, \d+\)"
NOT_FINITE = r"not finite: \d+ of \d+ values"
AGAIN = "answered again: the first reply counts"
MOST = 2**32 - 1
"""Samples are a number of 32 bits without a sign: what would be -1 is this."""
FAULTS = {
    "raises": Bad("ValueError: this sample cannot be read", update=_raise),
    "diverged": Bad(
        "OperatorError: .*rows hold NaN or infinity; give finite rows", update=lambda update: update * torch.nan
    ),
    "NaN": Bad(NOT_FINITE),
    "infinity": Bad(NOT_FINITE),
    "1e30": Bad(r"a value of [\d.e+]+ exceeds [\d.e+]+; .*", update=lambda update: torch.full_like(update, 1e30)),
    "too long": Bad(r"norm [\d.e+]+ exceeds the cap of 100", update=lambda update: update * (LONG / update.norm())),
    "longer vector": Bad(r"frame: dim=\d+ where dim=\d+ is expected"),
    "float64": Bad(r"frame: of torch\.float64, not of torch\.float32"),
    "no frame": Bad("frame: 0 bytes, .*", message=lambda message: replace(message, frame=b"")),
    "weight 0": Bad(r"weighs 0 samples, not \d+", message=lambda message: replace(message, samples=0)),
    "weight 2^32-1": Bad(rf"weighs {MOST} samples, not \d+", message=lambda message: replace(message, samples=MOST)),
    "stale round": Bad(ORIGIN, message=lambda message: replace(message, round=message.round - 1)),
    "another client": Bad(ORIGIN, message=lambda message: replace(message, client=message.client ^ 1)),
    "foreign run": Bad(ORIGIN, message=lambda message: replace(message, run=message.run ^ 1)),
    "earlier bytes": Bad(ORIGIN),
    "newer version": Bad(
        r"an update against version \d+, the server is at \d+",
        message=lambda message: replace(message, memory=message.memory + 1),
    ),
    "older version": Bad(
        r"an update against version \d+, the server is at \d+",
        message=lambda message: replace(message, memory=message.memory - 1),
    ),
    "one number more": Bad(
        r"reports \d+ numbers, not \d+", message=lambda message: replace(message, numbers=(*message.numbers, 0.5))
    ),
    "bytes beside": Bad(
        "sends 4 bytes beside its update, not 0", message=lambda message: replace(message, beside=bytes(4))
    ),
    "another kind": Bad(
        "answered with CHANGE, not with an update", message=lambda message: replace(message, kind=Kind.CHANGE)
    ),
    "cut in the header": Bad("message: 20 bytes, fewer than its header of 32", data=lambda data: data[:20]),
    "cut in the frame": Bad(r"frame: .*", data=lambda data: data[:-3]),
    "bit in the header": Bad("message: header damaged or cut off", data=_flipped(lambda count: 9)),
    "bit in the frame": Bad(r"frame: \d+ bytes are damaged or cut off", data=_flipped(lambda count: count - 5)),
    "duplicate": Bad(AGAIN, extra="same", like="undisturbed"),
    "replay": Bad(AGAIN, extra="earlier", like="undisturbed"),
}
ALONE = {"silent", "lost"}
"""What is not a bad update: the runs by which they are measured."""
CLOCKS = "clocks jump"
"""Nor is this: the process in which a client is trained finds that a day has passed."""
DAY = 86_400.0


@dataclass(frozen=True)
class Tampered(Serial):
    """As ``Serial``, but what some clients send is bad.

    Args:
        troubles: each as "round client fault"; seed 0 is taken for granted.
        kept: a folder in which the bytes of earlier rounds are kept, or nothing.
    """

    troubles: tuple[str, ...]
    kept: str

    def fault(self, round_: int, client: int) -> str | None:
        """What happens to a client in a round."""
        start = f"{round_} {client} "
        return next((one.removeprefix(start) for one in self.troubles if one.startswith(start)), None)

    def train(self, learner: Learner, solver: Solver, pupils: Sequence[Pupil]) -> list[Update]:
        """Train, and spoil what comes of it."""
        [pupil], [update] = pupils, super().train(learner, solver, pupils)
        for trouble in self.troubles:
            round_, client, fault = trouble.split(maxsplit=2)
            spoil = FAULTS[fault].update if fault in FAULTS else None
            if spoil is not None and pupil.key == keys.key(0, "train", int(round_), int(client)):
                update = update._replace(vector=spoil(update.vector))
        return [update]

    def earlier(self, client: int) -> Path:
        """The file of the bytes that a client sent before."""
        return Path(self.kept) / f"{client}.message"


def tampered(kept: Path, *troubles: tuple[int, int, str]) -> list[str]:
    """The overrides that put bad updates into a run: round, client and fault of each."""
    listed = ",".join(f'"{round_} {client} {fault}"' for round_, client, fault in troubles)
    target = "trainer._target_=tests.faults.tampering.Tampered"
    return ["plugins=[tests]", target, f"trainer.troubles=[{listed}]", f"trainer.kept={kept}"]


@dataclass(frozen=True)
class Without(Participation):
    """Every client in every round, but for some.

    Args:
        left_out: each as "round client"; seed 0 is taken for granted.
    """

    left_out: tuple[str, ...]

    def draw(self, clients: int, key: Key) -> tuple[int, ...]:
        """All but those."""
        pairs = [tuple(map(int, one.split())) for one in self.left_out]
        absent = {client for round_, client in pairs if key == keys.key(0, "participation", round_)}
        return tuple(client for client in range(clients) if client not in absent)

    def probability(self, clients: int) -> float:
        """One, as of those who are asked and do not answer."""
        return 1.0


def without(*left_out: tuple[int, int]) -> list[str]:
    """The overrides that keep clients out of cohorts: round and client of each."""
    listed = ",".join(f'"{round_} {client}"' for round_, client in left_out)
    target = "participation._target_=tests.faults.tampering.Without"
    return ["plugins=[tests]", target, f"participation.left_out=[{listed}]"]


_run, _delivered = Worker.run, Worker._delivered


def run_tampered(worker: Worker, round_: int, orders: Sequence[Order]) -> list[Reply]:
    """In place of ``Worker.run``: some do not answer, others do twice."""
    trainer = worker.workshop.trainer
    if not isinstance(trainer, Tampered):
        return _run(worker, round_, orders)
    [order] = orders
    fault = trainer.fault(round_, order.client)
    if fault == CLOCKS:
        jump()
    if fault in ALONE:
        return [_wordless(worker, round_, order.client, fault)]
    replies, bad = _run(worker, round_, orders), FAULTS.get(fault or "")
    if bad is None or bad.extra is None:
        return replies
    if bad.extra == "same":
        return [*replies, *replies]
    return [*replies, Reply(order.client, trainer.earlier(order.client).read_bytes(), 0.0, 0.0)]


def jump() -> None:
    """Let a day pass in this process, once."""
    for name in ("time", "monotonic"):
        clock = getattr(time, name)
        if getattr(clock, "__module__", "time") == "time":
            setattr(time, name, lambda clock=clock: clock() + DAY)


def _wordless(worker: Worker, round_: int, client: int, fault: str) -> Reply:
    """Of a client that has done nothing with what it was sent, or says that it has lost its memories."""
    run_ = worker.workshop.run
    if fault == "lost":
        return Reply(client, lost(run_, round_, client), 0.0, 0.0, None, Verdict())
    failed = Message(Kind.FAILED, run_, round_, client, 0, b"")
    return Reply(client, failed.pack(), 0.0, 0.0, None, Verdict("did not answer"))


def deliver_tampered(worker: Worker, data: bytes, round_: int, client: int, before: ClientState) -> object:
    """In place of ``Worker._delivered``: it is given bytes that were changed on their way."""
    trainer = worker.workshop.trainer
    if not isinstance(trainer, Tampered):
        return _delivered(worker, data, round_, client, before)
    fault = trainer.fault(round_, client)
    if fault in FAULTS:
        data = _changed(worker, fault, data, before)
    elif any(one.endswith((f" {client} replay", f" {client} earlier bytes")) for one in trainer.troubles):
        trainer.earlier(client).write_bytes(data)
    return _delivered(worker, data, round_, client, before)


def _changed(worker: Worker, fault: str, data: bytes, before: ClientState) -> bytes:
    message, bad = Message.unpack(data), FAULTS[fault]
    if fault == "earlier bytes":
        trainer = worker.workshop.trainer
        assert isinstance(trainer, Tampered)
        return trainer.earlier(message.client).read_bytes()
    if fault in _FRAMES:
        return replace(message, frame=_FRAMES[fault](worker, message)).pack()
    if bad.message is not None:
        return bad.message(message).pack()
    return data if bad.data is None else bad.data(data)


def _filled(worker: Worker, message: Message, value: float, longer: int = 0, dtype: str = "float32") -> bytes:
    """A frame, as the link would make it, of a vector whose scale, or whose first value, is this one."""
    operator = worker.workshop.uplink.operator
    rows = torch.randn(1, worker.workshop.learner.dim + longer, dtype=getattr(torch, dtype))
    stream = keys.key(worker.workshop.seed, "uplink", message.round, message.client)
    code = operator.encode(rows, stream)
    part = code.side if code.side is not None else code.values
    assert part is not None
    part[0, 0] *= value
    [pieces] = framing.frames(operator, code, stream, rows.shape[1], framing.dtype_index(rows))
    return b"".join(pieces)


_FRAMES: dict[str, Callable[[Worker, Message], bytes]] = {
    "NaN": lambda worker, message: _filled(worker, message, torch.nan),
    "infinity": lambda worker, message: _filled(worker, message, torch.inf),
    "longer vector": lambda worker, message: _filled(worker, message, 1.0, longer=1),
    "float64": lambda worker, message: _filled(worker, message, 1.0, dtype="float64"),
}
Worker.run, Worker._delivered = run_tampered, deliver_tampered  # type: ignore[assignment, method-assign]
