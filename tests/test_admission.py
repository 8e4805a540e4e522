"""A reply is checked against what was asked before it touches the model."""

from dataclasses import replace

import pytest

from fedkd.admission import admit
from fedkd.executors import Reply
from fedkd.messages import Broadcast, Kind, Message
from fedkd_compression import WireError

RUN, ROUND = 5, 3
BROADCAST = Broadcast(ROUND, (1, 4, 7), (), {})


def reply(client, **changes):
    message = replace(Message(Kind.REPLY, RUN, ROUND, client, 0, b"frame"), **changes)
    return Reply(client, message.pack(), 0.0, 0.0)


def test_replies_are_sorted_by_client():
    admitted = admit([reply(7), reply(1)], BROADCAST, RUN)
    assert [message.client for message in admitted] == [1, 7]


@pytest.mark.parametrize(
    ("replies", "message"),
    [
        ([reply(1, run=6)], "another run or round"),
        ([reply(1, round=2)], "another run or round"),
        ([reply(1, kind=Kind.CHANGE)], "another run or round"),
        ([reply(2)], "client 2: not asked in round 3"),
        ([reply(1), reply(1)], "client 1: .*answered twice"),
    ],
)
def test_what_was_not_asked_for_is_refused(replies, message):
    with pytest.raises(WireError, match=message):
        admit(replies, BROADCAST, RUN)


def test_a_damaged_header_is_refused():
    data = bytearray(reply(1).data)
    data[9] ^= 4
    with pytest.raises(WireError, match="damaged"):
        admit([Reply(1, bytes(data), 0.0, 0.0)], BROADCAST, RUN)
