"""The worker's loop: every order does what it says, and every failure is told before the loop ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from fedkd import vectors
from fedkd.algorithms import Partial
from fedkd.clients import ClientState
from fedkd.clients.packed import client_of, pack_state, unpack_state
from fedkd.executors import Reply
from fedkd.executors.lines import Line, LineClosedError
from fedkd.executors.loop import committing, enter, giving, read_reply, serve, training
from fedkd.executors.orders import Order, Verdict
from fedkd.executors.parcels import NOBODY, Kind, Parcel
from fedkd.predict import Regret
from fedkd_compression import ExactSum, Sizes

STOP = Parcel(Kind.STOP)


class Scripted(Line):
    """Orders from a list; after the last of them, or after so many answers, the server is gone."""

    def __init__(self, *orders: Parcel, answers: int = 99) -> None:
        self.orders, self.answers, self.most = list(orders), list[Parcel](), answers

    def send(self, parcel: Parcel) -> None:
        if len(self.answers) == self.most:
            raise LineClosedError("gone")
        self.answers.append(parcel)

    def receive(self) -> Parcel:
        if not self.orders:
            raise LineClosedError("gone")
        return self.orders.pop(0)


class FakeWorker:
    """Writes down what it is asked; may fail at a client."""

    def __init__(
        self, error: BaseException | None = None, sizes: Sizes | None = None, verdict: Verdict | None = None
    ) -> None:
        self.verdict = verdict
        self.error, self.sizes, self.calls, self.closed = error, sizes, list[Any](), 0
        self.partial: Partial | None = None
        self.store = SimpleNamespace(close=self._close, learned=lambda: Regret(4, 3.0, 2.5, 3.0, 1.0))
        self.workshop = SimpleNamespace(learner=SimpleNamespace(dim=3))

    def _close(self) -> None:
        self.closed += 1

    def begin(self, messages: Any, committed: tuple[int, ...]) -> None:
        self.calls.append(("begin", messages, committed))

    def run(self, round_: int, orders: list[Order]) -> list[Reply]:
        if self.error is not None:
            raise self.error
        self.calls.append(("run", round_, orders))
        return [Reply(client, b"update", 0.5, 0.25, self.sizes, self.verdict) for client, _ in orders]

    def summed(self) -> Partial | None:
        return self.partial

    def evaluate(self, model: torch.Tensor) -> dict[str, float]:
        return {"loss": float(model.sum()), "accuracy": 0.5}

    def commit(self, rounds: tuple[int, ...], undone: dict[int, int]) -> dict[int, ClientState]:
        self.calls.append(("commit", rounds, undone))
        return {7: ClientState(torch.ones(3), rounds[-1])}

    def restore(self, round_: int, states: dict[int, ClientState]) -> None:
        self.calls.append(("restore", round_, {client: state.sent for client, state in states.items()}))

    def give(self, clients: Iterable[int]) -> list[tuple[int, ClientState]]:
        return [(client, ClientState(sent=client)) for client in clients for _ in range(2)]

    def take(self, states: Iterable[tuple[int, ClientState]]) -> None:
        self.calls.append(("take", [(client, state.sent) for client, state in states]))


def served(worker: FakeWorker, *orders: Parcel) -> list[Parcel]:
    line = Scripted(*orders, STOP)
    serve(worker, line)  # type: ignore[arg-type]
    assert not line.orders or line.answers[-1].kind is Kind.FAILED
    assert worker.closed == 1
    return line.answers


@pytest.mark.parametrize("sizes", [None, Sizes(10, 0, 300)])
def test_a_client_is_trained_on_what_the_round_and_its_own_messages_say(sizes: Sizes | None) -> None:
    worker = FakeWorker(sizes=sizes)
    begin = Parcel(Kind.ROUND, 4, numbers=(2.0, 3.0), parts=(b"all",))
    orders = [Order(9, (b"own",))]
    (answer,) = served(worker, begin, training(4, orders))
    assert worker.calls == [("begin", (b"all",), (2, 3)), ("run", 4, orders)]
    assert (answer.kind, answer.round, answer.client) == (Kind.REPLY, 4, 9)
    assert read_reply(answer) == Reply(9, b"update", 0.5, 0.25, sizes)


def test_a_verdict_comes_along() -> None:
    verdict = Verdict("ValueError: odd", "line 3\n", "")
    (answer,) = served(FakeWorker(verdict=verdict), training(4, [Order(9, ())]))
    assert read_reply(answer) == Reply(9, b"update", 0.5, 0.25, None, verdict)


def test_clients_that_train_together_answer_each() -> None:
    worker, orders = FakeWorker(), [Order(9, (b"own", b"more")), Order(2, ()), Order(5, (b"last",))]
    answers = served(worker, training(4, orders))
    assert worker.calls == [("run", 4, orders)]
    assert [(answer.kind, answer.client) for answer in answers] == [(Kind.REPLY, 9), (Kind.REPLY, 2), (Kind.REPLY, 5)]


def test_an_error_of_clients_that_train_together_names_them_all() -> None:
    orders = [Order(9, ()), Order(2, ())]
    (answer,) = served(FakeWorker(ValueError("odd")), training(4, orders))
    assert (answer.kind, answer.client) == (Kind.FAILED, NOBODY)
    assert bytes(answer.parts[0]) == b"one of clients 9, 2: ValueError: odd"


def test_sum_of_some_clients_and_of_none() -> None:
    worker = FakeWorker()
    (nothing,) = served(worker, Parcel(Kind.SUM, 2))
    worker.partial, worker.closed = Partial(ExactSum.zeros(3)), 0
    worker.partial.total.add(torch.tensor([1.0, 2.0, 4.0]))
    (answer,) = served(worker, Parcel(Kind.SUM, 2))
    assert (nothing.kind, nothing.round, nothing.parts) == (Kind.SUMMED, 2, ())
    assert Partial.unpack(answer.parts, 3).total.total().tolist() == [1, 2, 4]


def test_evaluation_gives_numbers_and_their_names() -> None:
    model = torch.tensor([1.0, 2.0, 0.5])
    (answer,) = served(FakeWorker(), Parcel(Kind.EVALUATE, parts=(vectors.pack(model),)))
    assert (answer.kind, answer.numbers, answer.parts) == (Kind.METRICS, (3.5, 0.5), (b"loss\naccuracy",))


def test_states_are_handed_over_both_ways() -> None:
    worker = FakeWorker()
    restore = Parcel(Kind.RESTORE, 6, parts=(pack_state(3, ClientState(sent=2)), pack_state(1, ClientState(sent=5))))
    (answer,) = served(worker, restore, committing((6, 8), {3: 5}))
    assert worker.calls == [("restore", 6, {3: 2, 1: 5}), ("commit", (6, 8), {3: 5})]
    assert (answer.kind, answer.round, answer.numbers) == (Kind.COMMITTED, 8, (4, 3.0, 2.5, 3.0, 1.0))
    client, state = unpack_state(answer.parts[0])
    assert (client, state.sent) == (7, 8)


def test_clients_move_with_all_their_states() -> None:
    worker = FakeWorker()
    (given,) = served(worker, giving([5, 2]))
    assert (given.kind, [client_of(part) for part in given.parts]) == (Kind.GIVEN, [5, 5, 2, 2])
    worker = FakeWorker()
    (taken,) = served(worker, Parcel(Kind.TAKE, parts=given.parts))
    assert taken.kind is Kind.TAKEN
    assert worker.calls == [("take", [(5, 5), (5, 5), (2, 2), (2, 2)])]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("odd"), "ValueError: odd"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt: "),
        (LineClosedError("not this line"), "LineClosedError: not this line"),
    ],
)
def test_whatever_ends_a_client_is_told_and_ends_the_loop(error: BaseException, said: str) -> None:
    train = training(4, [Order(9, ())])
    (answer,) = served(FakeWorker(error), train, train)
    assert (answer.kind, answer.round, answer.client) == (Kind.FAILED, 4, 9)
    line, trace = (bytes(part).decode() for part in answer.parts)
    assert line == said
    assert "in run" in trace


def test_damaged_part_and_unknown_order_are_failures_too() -> None:
    (answer,) = served(FakeWorker(), Parcel(Kind.EVALUATE, 1, parts=(b"no vector",)))
    assert (answer.kind, answer.client) == (Kind.FAILED, NOBODY)
    assert bytes(answer.parts[0]).startswith(b"WireError: ")
    (answer,) = served(FakeWorker(), Parcel(Kind.READY))
    assert answer.kind is Kind.FAILED


@pytest.mark.parametrize("answers", [0, 1])
def test_it_ends_silently_when_the_server_is_gone(answers: int) -> None:
    worker, train = FakeWorker(), training(0, [Order(1, ())])
    serve(worker, Scripted(train, train, answers=answers))  # type: ignore[arg-type]
    assert len(worker.calls) == answers + 1
    assert worker.closed == 1
    idle = FakeWorker()
    serve(idle, Scripted())  # type: ignore[arg-type]
    assert idle.closed == 1


def _failing(error: BaseException) -> Callable[[], Any]:
    def make() -> Any:
        raise error

    return make


@pytest.mark.parametrize("error", [RuntimeError("no such device"), SystemExit("no such device")])
def test_worker_that_cannot_be_made_is_told(error: BaseException) -> None:
    line = Scripted(Parcel(Kind.ROUND), STOP)
    enter(_failing(error), line)
    (answer,) = line.answers
    assert (answer.kind, answer.client, bytes(answer.parts[0])) == (
        Kind.FAILED,
        NOBODY,
        f"{type(error).__name__}: no such device".encode(),
    )
    assert len(line.orders) == 2


def test_worker_that_was_made_serves() -> None:
    worker = FakeWorker()
    line = Scripted(training(0, [Order(1, ())]), STOP)
    enter(lambda: worker, line)  # type: ignore[arg-type, return-value]
    assert [answer.kind for answer in line.answers] == [Kind.REPLY]
