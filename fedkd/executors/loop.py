"""The worker's loop: take an order, do it, answer; the same over a socket, over MPI and in a thread."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from itertools import islice

from fedkd import vectors
from fedkd.clients.packed import pack_state, unpack_state
from fedkd.errors import StorageError
from fedkd.executors.lines import Line, LineClosedError
from fedkd.executors.orders import Order, Reply, Verdict, named
from fedkd.executors.parcels import NOBODY, Kind, Parcel
from fedkd.executors.worker import Worker
from fedkd_compression import Sizes

Answers = Sequence[Parcel]


def enter(make_worker: Callable[[], Worker], line: Line) -> None:
    """Make a worker where it is to run, and serve; a failure to make it is told as any other."""
    try:
        worker = make_worker()
    except BaseException as error:
        line.send(failure(Parcel(Kind.START), error))
        return
    serve(worker, line)


def serve(worker: Worker, line: Line) -> None:
    """Follow orders until the server says stop or is gone; a failure is told, and ends the loop."""
    try:
        while (order := line.receive()).kind is not Kind.STOP:
            for answer in _answers(worker, order):
                line.send(answer)
                if answer.kind is Kind.FAILED:
                    return
    except LineClosedError:
        return
    finally:
        worker.store.close()


def failure(order: Parcel, error: BaseException) -> Parcel:
    """What is told of an error: one line, and where it happened; of a StorageError its own line, and its code."""
    if isinstance(error, StorageError):
        return Parcel(Kind.FAILED, order.round, order.client, (error.code,), (str(error).encode(), b""))
    several = order.kind is Kind.TRAIN and order.client == NOBODY
    where = f"{named([client for client, _ in read_training(order)])}: " if several else ""
    line = f"{where}{type(error).__name__}: {error}"
    trace = "".join(traceback.format_exception(error))
    return Parcel(Kind.FAILED, order.round, order.client, parts=(line.encode(), trace.encode()))


def _answers(worker: Worker, order: Parcel) -> Answers:
    try:
        return _ORDERS[order.kind](worker, order)
    except BaseException as error:  # Also SystemExit: whatever ends a client ends the job.
        return [failure(order, error)]


def _round(worker: Worker, order: Parcel) -> Answers:
    worker.begin(order.parts, tuple(map(int, order.numbers)))
    return ()


def training(round_: int, orders: Sequence[Order]) -> Parcel:
    """The order to train some clients; its numbers are, for each, the client and how many of the parts are its own."""
    numbers = [float(number) for client, messages in orders for number in (client, len(messages))]
    client = orders[0].client if len(orders) == 1 else NOBODY
    parts = tuple(message for _, messages in orders for message in messages)
    return Parcel(Kind.TRAIN, round_, client, tuple(numbers), parts)


def read_training(order: Parcel) -> list[Order]:
    """Whom to train."""
    orders, parts = [], iter(order.parts)
    for client, count in zip(order.numbers[::2], order.numbers[1::2], strict=True):
        orders.append(Order(int(client), tuple(islice(parts, int(count)))))
    return orders


def committing(rounds: tuple[int, ...], undone: Mapping[int, int]) -> Parcel:
    """The order to make states durable; its numbers are how many rounds, these, and pairs of client and round."""
    pairs = [number for pair in undone.items() for number in pair]
    return Parcel(Kind.COMMIT, rounds[-1], numbers=tuple(map(float, (len(rounds), *rounds, *pairs))))


def _train(worker: Worker, order: Parcel) -> Answers:
    return [
        Parcel(
            Kind.REPLY,
            order.round,
            reply.client,
            (reply.seconds_train, reply.seconds_link, *_numbers(reply.sizes)),
            (reply.data, *(() if reply.verdict is None else (text.encode() for text in reply.verdict))),
        )
        for reply in worker.run(order.round, read_training(order))
    ]


def read_reply(answer: Parcel) -> Reply:
    """The reply that a worker's answer carries."""
    seconds_train, seconds_link, *sizes = answer.numbers
    told = Sizes(*map(int, sizes)) if sizes else None
    data, *texts = answer.parts
    verdict = Verdict(*(bytes(text).decode() for text in texts)) if texts else None
    return Reply(answer.client, data, seconds_train, seconds_link, told, verdict)


def _numbers(sizes: Sizes | None) -> tuple[int, ...]:
    return () if sizes is None else (sizes.header, sizes.side, sizes.body)


def _sum(worker: Worker, order: Parcel) -> Answers:
    partial = worker.summed()
    return [Parcel(Kind.SUMMED, order.round, parts=() if partial is None else partial.pack())]


def _evaluate(worker: Worker, order: Parcel) -> Answers:
    metrics = worker.evaluate(vectors.unpack(order.parts[0], worker.workshop.learner.dim))
    names = "\n".join(metrics).encode()
    return [Parcel(Kind.METRICS, order.round, numbers=tuple(metrics.values()), parts=(names,))]


def _commit(worker: Worker, order: Parcel) -> Answers:
    count, *numbers = map(int, order.numbers)
    rounds, pairs = tuple(numbers[:count]), numbers[count:]
    kept = worker.commit(rounds, dict(zip(pairs[::2], pairs[1::2], strict=True)))
    parts = tuple(pack_state(client, state) for client, state in kept.items())
    learned = worker.store.learned()
    return [Parcel(Kind.COMMITTED, order.round, numbers=() if learned is None else astuple(learned), parts=parts)]


def _restore(worker: Worker, order: Parcel) -> Answers:
    worker.restore(order.round, dict(map(unpack_state, order.parts)))
    return ()


def giving(clients: Sequence[int]) -> Parcel:
    """The order to give clients away."""
    return Parcel(Kind.GIVE, numbers=tuple(map(float, clients)))


def _give(worker: Worker, order: Parcel) -> Answers:
    states = worker.give(map(int, order.numbers))
    return [Parcel(Kind.GIVEN, parts=tuple(pack_state(client, state) for client, state in states))]


def _take(worker: Worker, order: Parcel) -> Answers:
    worker.take(map(unpack_state, order.parts))
    return [Parcel(Kind.TAKEN)]


_ORDERS: dict[Kind, Callable[[Worker, Parcel], Answers]] = {
    Kind.ROUND: _round,
    Kind.TRAIN: _train,
    Kind.SUM: _sum,
    Kind.EVALUATE: _evaluate,
    Kind.COMMIT: _commit,
    Kind.RESTORE: _restore,
    Kind.GIVE: _give,
    Kind.TAKE: _take,
}
