"""A link's two ends, message by message."""

import pytest
import torch

from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.links import ErrorFeedback, Link, NoMemory, Shift
from fedkd_compression import QSGD, Identity, Key, Named, PerTensor, RandK, SubtractiveDither, TopK, WireError

DIM = 50
X = torch.linspace(-2, 3, DIM)
DITHER = SubtractiveDither(step=1.0)
MIXED = PerTensor({"bias": Identity(), "*": DITHER}).shaped((Named("weight", (40,)), Named("bias", (10,))))
"""What it sends as it is lies where the difference to the memory lay."""


def test_shift_moves_both_ends_alike():
    link = Link(DITHER, Shift(0.4, "zero"))
    sender, receiver = None, None
    for k in range(5):
        sent = link.send(X * k, sender, key(0, "uplink", k, 1))
        got = link.receive(sent.frame, receiver, key(0, "uplink", k, 1), DIM)
        expected = sent.change if receiver is None else receiver + sent.change
        assert torch.equal(got.received, expected)
        sender, receiver = sent.memory, got.memory
        assert torch.equal(sender, receiver)


def test_a_first_vector_in_full_is_the_memory():
    link = Link(DITHER, Shift(0.4, "first"))
    sent = link.send(X, None, key(0, "uplink"))
    got = link.receive(sent.frame, None, key(0, "uplink"), DIM)
    assert torch.equal(got.received, X)
    assert torch.equal(got.memory, X)
    assert torch.equal(sent.memory, X)
    assert len(sent.frame) > 4 * DIM


def test_error_feedback_keeps_what_was_lost():
    link = Link(TopK(k=5, fraction=None), ErrorFeedback(0.5))
    first = link.send(X, None, key(0, "uplink", 0))
    torch.testing.assert_close(first.memory, X - first.change)
    second = link.send(X, first.memory, key(0, "uplink", 1))
    torch.testing.assert_close(second.memory, X + 0.5 * first.memory - second.change)
    assert link.receive(second.frame, None, key(0, "uplink", 1), DIM).memory is None


def test_a_lossless_link_remembers_nothing():
    link = Link(Identity(), Shift(0.5, "first"))
    sent = link.send(X, None, key(0, "uplink"))
    assert not link.remembers
    assert sent.memory is None
    assert torch.equal(sent.change, X)


def test_the_automatic_rate_is_half_of_its_bound():
    operator = QSGD(levels=1, norm="l2")
    rate = Link(operator, Shift("auto", "zero")).resolve(20).rate
    assert rate == pytest.approx(1 / (2 * (operator.omega(20) + 1)))
    assert Link(operator, Shift(2 * rate, "zero")).resolve(20).rate == 2 * rate


@pytest.mark.parametrize(
    ("link", "message"),
    [
        (Link(DITHER, Shift(1.0, "zero")), r"rate=1 is outside \(0, 0.9231\]"),
        (Link(DITHER, Shift(0.0, "zero")), r"rate=0 is outside"),
        (Link(TopK(k=5, fraction=None), Shift("auto", "zero")), "rate=auto needs an unbiased operator, TopK is not"),
        (Link(RandK(k=60), NoMemory()), "RandK: k=60 exceeds dim=50; choose k <= dim"),
    ],
)
def test_what_cannot_work_is_named(link, message):
    with pytest.raises(ConfigurationError, match=message):
        link.resolve(DIM)


def test_a_contractive_operator_may_move_fully():
    assert Link(TopK(k=5, fraction=None), Shift(1.0, "zero")).resolve(DIM).rate == 1.0


def test_another_link_refuses_the_bytes():
    sent = Link(DITHER, NoMemory()).send(X, None, key(0, "uplink"))
    with pytest.raises(WireError):
        Link(QSGD(levels=1, norm="l2"), NoMemory()).decode(sent.frame, None, key(0, "uplink"), DIM)


@pytest.mark.parametrize("memory", [NoMemory(), Shift(0.4, "zero"), Shift(0.4, "first"), ErrorFeedback(0.5)], ids=repr)
@pytest.mark.parametrize("operator", [Identity(), DITHER, TopK(k=5, fraction=None), MIXED], ids=repr)
def test_vectors_sent_together_are_those_sent_alone(operator, memory):
    link = Link(operator, memory)
    x, memories = torch.stack([X, X.flip(0), 2 * X]), None
    alone = [None] * 3
    for k in range(3):
        keys = [key(0, "uplink", k, client) for client in range(3)]
        together = link.send_rows(x, memories, Key.stack(keys))
        sent = [link.send(x[i], alone[i], keys[i]) for i in range(3)]
        for one, other in zip(together, sent, strict=True):
            assert one.frame == other.frame
            assert torch.equal(one.change, other.change)
            assert (one.memory is None) == (other.memory is None)
            assert one.memory is None or torch.equal(one.memory, other.memory)
        alone = [one.memory for one in sent]
        memories = None if alone[0] is None else torch.stack([one.memory for one in together])


@pytest.mark.parametrize("memory", [Shift(0.4, "zero"), ErrorFeedback(0.5)], ids=repr)
def test_what_is_sent_as_it_is_arrives_though_the_memory_has_moved(memory):
    link, kept, here = Link(MIXED, memory), None, None
    for k in range(3):
        sent = link.send(X, kept, key(0, "uplink", k))
        got = link.receive(sent.frame, here, key(0, "uplink", k), DIM)
        kept, here = sent.memory, got.memory
        if isinstance(memory, Shift):
            torch.testing.assert_close(got.received[40:], X[40:])
            assert torch.equal(kept, here)
