"""The worker's loop: take an order, do it, answer; the same over a socket, over MPI and in a thread."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from fedkd import vectors
from fedkd.clients.packed import pack_state, unpack_state
from fedkd.executors.lines import Line, LineClosedError
from fedkd.executors.parcels import Kind, Parcel
from fedkd.executors.worker import Reply, Worker
from fedkd_compression import Sizes

Answer = Parcel | None


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
            answer = _answer(worker, order)
            if answer is not None:
                line.send(answer)
                if answer.kind is Kind.FAILED:
                    return
    except LineClosedError:
        return
    finally:
        worker.store.close()


def failure(order: Parcel, error: BaseException) -> Parcel:
    """What is told of an error: one line, and where it happened."""
    line = f"{type(error).__name__}: {error}"
    trace = "".join(traceback.format_exception(error))
    return Parcel(Kind.FAILED, order.round, order.client, parts=(line.encode(), trace.encode()))


def _answer(worker: Worker, order: Parcel) -> Answer:
    try:
        return _ORDERS[order.kind](worker, order)
    except BaseException as error:  # Also SystemExit: whatever ends a client ends the job.
        return failure(order, error)


def _round(worker: Worker, order: Parcel) -> Answer:
    worker.begin(order.parts, int(order.numbers[0]))
    return None


def _train(worker: Worker, order: Parcel) -> Answer:
    reply = worker.run(order.round, order.client, order.parts)
    numbers = (reply.seconds_train, reply.seconds_link, *_numbers(reply.sizes))
    return Parcel(Kind.REPLY, order.round, order.client, numbers, (reply.data,))


def read_reply(answer: Parcel) -> Reply:
    """The reply that a worker's answer carries."""
    seconds_train, seconds_link, *sizes = answer.numbers
    told = Sizes(*map(int, sizes)) if sizes else None
    return Reply(answer.client, answer.parts[0], seconds_train, seconds_link, told)


def _numbers(sizes: Sizes | None) -> tuple[int, ...]:
    return () if sizes is None else (sizes.header, sizes.side, sizes.body)


def _sum(worker: Worker, order: Parcel) -> Answer:
    partial = worker.summed()
    return Parcel(Kind.SUMMED, order.round, parts=() if partial is None else partial.pack())


def _evaluate(worker: Worker, order: Parcel) -> Answer:
    metrics = worker.evaluate(vectors.unpack(order.parts[0], len(worker.workshop.learner.vector)))
    names = "\n".join(metrics).encode()
    return Parcel(Kind.METRICS, order.round, numbers=tuple(metrics.values()), parts=(names,))


def _commit(worker: Worker, order: Parcel) -> Answer:
    kept = worker.commit(order.round)
    return Parcel(Kind.COMMITTED, order.round, parts=tuple(pack_state(client, state) for client, state in kept.items()))


def _restore(worker: Worker, order: Parcel) -> Answer:
    worker.restore(order.round, dict(map(unpack_state, order.parts)))
    return None


_ORDERS: dict[Kind, Callable[[Worker, Parcel], Answer]] = {
    Kind.ROUND: _round,
    Kind.TRAIN: _train,
    Kind.SUM: _sum,
    Kind.EVALUATE: _evaluate,
    Kind.COMMIT: _commit,
    Kind.RESTORE: _restore,
}
