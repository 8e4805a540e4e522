"""A reply is held against what was asked before it touches the model."""

import re
from dataclasses import replace

import pytest
import torch

from fedkd import vectors
from fedkd.admission import Admission, Admitted, admit, needed
from fedkd.errors import ConfigurationError
from fedkd.executors import ClientError, Exchange, Reply
from fedkd.executors.orders import Verdict
from fedkd.expected import Expected
from fedkd.messages import Broadcast, Kind, Message
from fedkd_compression import Sizes, WireError

RUN, ROUND = 5, 3
BROADCAST = Broadcast(ROUND, (1, 4, 7), (), {})


def reply(number, **changes):
    message = replace(Message(Kind.REPLY, RUN, ROUND, number, 0, b"frame", 5), **changes)
    return Reply(number, message.pack(), 0.0, 0.0)


def admitted(replies, missing=None, versions=None, late=None, **expected):
    def of(client):
        return Expected(
            RUN, ROUND, client, (versions or {}).get(client, 0), **{"samples": 5, "volatile": True, **expected}
        )

    return admit(Exchange(replies, None, (), missing or {}), BROADCAST, of, late)


def admission(policy="drop", cap=None, quorum=0.5):
    return Admission(policy, cap, quorum)


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
        ({"kind": Kind.FAILED}, "failed"),
        ({"memory": 2}, "an update against version 2, the server is at 3"),
        ({"memory": 4}, "an update against version 4, the server is at 3"),
        ({"samples": 6}, "weighs 6 samples, not 5"),
        ({"samples": 0}, "weighs 0 samples, not 5"),
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


def test_the_first_reply_of_a_client_counts_and_one_that_was_not_asked_does_not():
    first, again = reply(1), reply(1, numbers=(0.5,))
    kept = admitted([first, reply(2), again, reply(4), reply(7)])
    assert [message.client for message in kept.updates] == [1, 4, 7]
    assert kept.updates[0].numbers == ()
    assert kept.remarks == {2: "answered without being asked", 1: "answered again: the first reply counts"}


def test_who_lost_its_memories_is_told_apart():
    kept = admitted([reply(1, kind=Kind.LOST), reply(4, memory=2), reply(7, memory=9)], versions={4: 3})
    assert (kept.lost, kept.refused) == ((1, 4), (7,))


def test_a_late_reply_does_not_count_and_is_not_refused():
    kept = admitted([reply(1), reply(4), reply(7)], late={4: "late: 12 s"})
    assert (kept.missing, kept.refused) == ({4: "late: 12 s"}, ())


def test_a_workers_verdict_stands():
    verdicts = [Verdict("ValueError: odd", "the trace"), Verdict(remark="clipped")]
    kept = admitted([one._replace(verdict=told) for one, told in zip([reply(1), reply(4)], verdicts, strict=True)])
    assert (kept.missing[1], kept.refused, kept.traces) == ("ValueError: odd", (1,), {1: "the trace"})
    assert kept.remarks == {4: "clipped"}


def test_what_a_worker_has_added_must_count():
    with pytest.raises(WireError, match=r"client 1: a reply to another run, .*; its worker has added it"):
        admitted([reply(1, run=6)._replace(sizes=Sizes(1, 1, 1))])


@pytest.mark.parametrize(("quorum", "enough"), [(0.25, True), (0.5, True), (0.51, False), (1.0, False)])
def test_the_quorum_counts_updates(quorum, enough):
    kept = Admitted(tuple(admitted([reply(4)]).updates) * 2, {1: "gone", 7: "lost"})
    if enough:
        admission(quorum=quorum).require(kept, ROUND)
        return
    with pytest.raises(ClientError, match="client 1, round 3: gone"):
        admission(quorum=quorum).require(kept, ROUND)


def test_the_whole_cohort_is_required_of_nobody():
    admission("fail", quorum=1.0).require(Admitted((), {}), ROUND)


@pytest.mark.parametrize(("policy", "goes_on"), [("fail", False), ("drop", True)])
def test_the_policy_decides_what_follows_a_refusal_with_a_quorum(policy, goes_on):
    kept = admitted([reply(1, run=6), reply(4), reply(7)])
    if goes_on:
        admission(policy).require(kept, ROUND)
        return
    with pytest.raises(ClientError, match="client 1, round 3: a reply to another run"):
        admission(policy).require(kept, ROUND)


def test_with_a_quorum_the_missing_do_not_end_a_run_whose_policy_is_to_fail():
    admission("fail").require(admitted([reply(4), reply(7)], missing={1: "gone"}), ROUND)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (("drop", None, 0.0), "quorum=0 is outside (0, 1]; choose quorum = 0.5"),
        (("drop", 0.0, 1.0), "norm_cap=0 is not positive; choose norm_cap = 10"),
        (("clip", None, 1.0), "policy=clip needs a norm_cap, it is null; choose norm_cap = 10"),
    ],
)
def test_what_cannot_be_is_one_line(values, line):
    with pytest.raises(ConfigurationError, match=re.escape(line)):
        Admission(*values)


@pytest.mark.parametrize(
    ("quorum", "asked", "enough"), [(0.55, 100, 55), (0.07, 100, 7), (0.5, 3, 2), (1.0, 3, 3), (0.1, 0, 0)]
)
def test_a_quorum_is_rounded_up_and_no_further(quorum, asked, enough):
    assert needed(quorum, asked) == enough


def test_a_reply_with_too_few_numbers_does_not_count():
    kept = admitted([reply(1), reply(4, numbers=(0.5,))], numbers=1)
    assert [message.client for message in kept.updates] == [4]
    assert kept.missing[1] == "reports 0 numbers, not 1"


@pytest.mark.parametrize(
    ("beside", "expected", "why"),
    [
        (b"", 3, "vector: dim=3 in 0 bytes"),
        (vectors.pack(torch.ones(2)), 3, ""),
        (vectors.pack(torch.ones(3))[:-1], 3, ""),
        (vectors.pack(torch.ones(3)), 0, "sends .* bytes beside its update, not 0"),
        (vectors.pack(torch.tensor([1.0, 1e10, 1.0])), 3, "beside its update: a value of 1e"),
    ],
)
def test_what_comes_beside_an_update_must_be_what_was_asked_for(beside, expected, why):
    replies = [reply(1, beside=beside), reply(4, beside=vectors.pack(torch.ones(expected)) if expected else b"")]
    kept = admitted(replies, beside=expected)
    assert [message.client for message in kept.updates] == [4]
    assert re.search(why, kept.missing[1])


def test_a_receipt_comes_without_what_was_beside():
    receipt = reply(1)._replace(sizes=Sizes(1, 1, 1))
    kept = admitted([receipt], beside=3)
    assert [message.client for message in kept.updates] == [1]
