"""A reply is held against what was asked before it touches the model."""

import re
from dataclasses import replace

import pytest
import torch

from fedkd import vectors
from fedkd.admission import Admitted, admit, needed
from fedkd.executors import ClientError, Exchange, Reply
from fedkd.messages import Broadcast, Kind, Message
from fedkd_compression import Sizes, WireError

RUN, ROUND = 5, 3
BROADCAST = Broadcast(ROUND, (1, 4, 7), (), {})


def reply(number, **changes):
    message = replace(Message(Kind.REPLY, RUN, ROUND, number, 0, b"frame"), **changes)
    return Reply(number, message.pack(), 0.0, 0.0)


def admitted(replies, missing=None, versions=None):
    return admit(Exchange(replies, None, (), missing or {}), BROADCAST, RUN, versions or {})


def test_replies_are_sorted_by_client():
    kept = admitted([reply(7), reply(1), reply(4)])
    assert [message.client for message in kept.updates] == [1, 4, 7]
    assert kept.missing == {}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"run": 6}, "another run, round or client"),
        ({"round": 2}, "another run, round or client"),
        ({"client": 7}, "another run, round or client"),
        ({"kind": Kind.CHANGE}, "answered with CHANGE"),
        ({"kind": Kind.LOST}, "has lost its memories"),
        ({"memory": 2}, "an update against version 2, the server is at 3"),
    ],
)
def test_what_does_not_count_is_told_and_the_others_do(changes, why):
    kept = admitted([reply(1, **{"memory": 3, **changes}), reply(4), reply(7)], versions={1: 3})
    assert [message.client for message in kept.updates] == [4, 7]
    assert list(kept.missing) == [1]
    assert why in kept.missing[1]


def test_a_damaged_header_does_not_count():
    data = bytearray(reply(1).data)
    data[9] ^= 4
    kept = admitted([Reply(1, bytes(data), 0.0, 0.0)])
    assert "damaged" in kept.missing[1]


def test_who_did_not_answer_is_missing():
    kept = admitted([reply(4)], missing={1: "error 5: node unavailable"})
    assert kept.missing == {1: "error 5: node unavailable", 7: "no reply"}


@pytest.mark.parametrize("replies", [[reply(2)], [reply(1), reply(1)]])
def test_an_executor_brings_one_reply_of_each_client_that_was_asked(replies):
    with pytest.raises(WireError, match=r"client [12]: not asked in round 3, or answered twice"):
        admitted(replies)


@pytest.mark.parametrize(("quorum", "enough"), [(0.25, True), (0.5, True), (0.51, False), (1.0, False)])
def test_the_quorum_counts_updates(quorum, enough):
    kept = Admitted(tuple(admitted([reply(4)]).updates) * 2, {1: "gone", 7: "lost"})
    if enough:
        kept.require(quorum, ROUND)
        return
    with pytest.raises(ClientError, match="client 1, round 3: gone"):
        kept.require(quorum, ROUND)


def test_the_whole_cohort_is_required_of_nobody():
    Admitted((), {}).require(1.0, ROUND)


@pytest.mark.parametrize(
    ("quorum", "asked", "enough"), [(0.55, 100, 55), (0.07, 100, 7), (0.5, 3, 2), (1.0, 3, 3), (0.1, 0, 0)]
)
def test_a_quorum_is_rounded_up_and_no_further(quorum, asked, enough):
    assert needed(quorum, asked) == enough


def test_a_reply_with_too_few_numbers_does_not_count():
    kept = admit(Exchange([reply(1), reply(4, numbers=(0.5,))], None, ()), BROADCAST, RUN, {}, numbers=1)
    assert [message.client for message in kept.updates] == [4]
    assert kept.missing[1] == "reports 0 numbers, not 1"


@pytest.mark.parametrize(
    ("beside", "expected", "why"),
    [
        (b"", 3, "vector: dim=3 in 0 bytes"),
        (vectors.pack(torch.ones(2)), 3, ""),
        (vectors.pack(torch.ones(3))[:-1], 3, ""),
        (vectors.pack(torch.ones(3)), 0, "sends .* bytes beside its update, not 0"),
    ],
)
def test_what_comes_beside_an_update_must_be_what_was_asked_for(beside, expected, why):
    replies = [reply(1, beside=beside), reply(4, beside=vectors.pack(torch.ones(expected)) if expected else b"")]
    kept = admit(Exchange(replies, None, ()), BROADCAST, RUN, {}, beside=expected)
    assert [message.client for message in kept.updates] == [4]
    assert re.search(why, kept.missing[1])


def test_a_receipt_comes_without_what_was_beside():
    receipt = reply(1)._replace(sizes=Sizes(1, 1, 1))
    kept = admit(Exchange([receipt], None, ()), BROADCAST, RUN, {}, beside=3)
    assert [message.client for message in kept.updates] == [1]
