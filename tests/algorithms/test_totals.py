"""Terms of replies: the total is the same bits however many are held, and an error names its client."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fedkd.algorithms import totals
from fedkd.algorithms.totals import Partial, Terms, totals_of
from fedkd.messages import Kind, Message
from fedkd_compression import ExactSum, OperatorError, WireError

DIM = 1000


def reply(client: int) -> Message:
    return Message(Kind.REPLY, 1, 4, client, 0, b"")


def rows(count: int) -> list[Tensor]:
    chance = torch.Generator().manual_seed(count)
    return [torch.randn(DIM, generator=chance).pow(5) for _ in range(count)]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("held", [1, 2, 5, 100])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_total_is_that_of_an_exact_sum(held: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals, "HELD", held * DIM)
    terms, expected = Terms(DIM), ExactSum.zeros(DIM)
    for client, row in enumerate(rows(count)):
        terms.add(reply(client), row, 0.1 + client)
        expected.add(row, 0.1 + client)
    total = terms.total()
    assert total is not None
    assert total.numpy().tobytes() == expected.total().numpy().tobytes()


def test_no_terms_are_zeros_and_nothing_ahead() -> None:
    total, ahead = totals_of(Terms(DIM), Terms(DIM), DIM)
    assert torch.equal(total, torch.zeros(DIM, dtype=torch.float64))
    assert ahead is None


@pytest.mark.parametrize("held", [1, 100])
def test_an_error_names_its_client(held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals, "HELD", held * DIM)
    given = rows(4)
    given[2][17] = 1e20

    def total() -> None:
        terms = Terms(DIM)
        for client, row in enumerate(given):
            terms.add(reply(client), row, 1.0)
        terms.total()

    with pytest.raises(OperatorError, match="^client 2, round 4: ExactSum: a term of 1e\\+20 exceeds"):
        total()


@pytest.mark.parametrize("held", [1, 3, 100])
def test_what_work_makes_of_replies_comes_in_their_order_and_no_more_at_a_time_than_may_be_held(
    held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(totals, "HELD", held * DIM)
    done: list[int] = []

    def work(of: Message) -> int:
        done.append(of.client)
        return 10 * of.client

    for number, (of, result) in enumerate(Terms(DIM).of([reply(client) for client in range(7)], work, 2), start=1):
        assert result == 10 * of.client == 10 * (number - 1)
        assert len(done) <= number + held - 1
    assert sorted(done) == list(range(7))


def sum_of(count: int, dim: int) -> ExactSum:
    total = ExactSum.zeros(dim)
    for number in range(count):
        total.add(torch.full((dim,), 0.1 + number))
    return total


@pytest.mark.parametrize(("ahead", "beside"), [(False, False), (True, False), (False, True), (True, True)])
def test_sums_of_a_worker_come_back_and_merge(ahead: bool, beside: bool) -> None:
    def part(count: int) -> Partial:
        return Partial(sum_of(count, 5), sum_of(count, 5) if ahead else None, sum_of(count, 3) if beside else None)

    read = Partial.unpack(part(2).pack(), 5, 3)
    assert (read.ahead is not None, read.beside is not None) == (ahead, beside)
    read.merge(Partial.unpack(part(3).pack(), 5, 3))
    read.merge(Partial(sum_of(1, 5)))
    expected = sum_of(2, 3)
    expected.merge(sum_of(3, 3))
    assert read.beside is None or torch.equal(read.beside.total(), expected.total())


def test_sums_of_another_length_beside_are_refused() -> None:
    parts = Partial(sum_of(1, 5), None, sum_of(1, 3)).pack()
    assert len(parts) == 3
    assert parts[1] == b""
    for wrong in (0, 2):
        with pytest.raises(WireError):
            Partial.unpack(parts, 5, wrong)
    with pytest.raises(WireError, match="sum: its first part is empty"):
        Partial.unpack((b"", *parts[1:]), 5, 3)
    with pytest.raises(WireError, match="sum: 4 parts"):
        Partial.unpack((*parts, b""), 5, 3)
