"""A law that cannot fail checks nothing: for each there is an operator that breaks it."""

from dataclasses import dataclass, field

import pytest
import torch

from fedkd_compression import Code, Key, Operator, RandK, Traits, testing

X = torch.randn(20, generator=torch.Generator().manual_seed(6))


@dataclass(frozen=True)
class Sent(Operator):
    """The row as values, which ``change`` spoils when it is decoded."""

    traits = Traits(unbiased=True, exact=True, lossless=False, additive=True, fixed_size=True)
    shift: float = 0.0
    factor: float = 1.0
    stated_omega: float = 0.0
    calls: list = field(default_factory=list, repr=False, compare=False)

    def encode(self, rows, key):
        return Code(values=rows)

    def decode(self, code, key, dim):
        return code.values * self.factor + self.shift

    def omega(self, dim):
        return self.stated_omega

    def delta(self, dim):
        return 1 - self.stated_omega


class Forgetful(Sent):
    """Decodes something else every time."""

    def decode(self, code, key, dim):
        self.calls.append(1)
        return code.values * len(self.calls)

    def encode(self, rows, key):
        self.calls.append(1)
        return Code(values=rows * len(self.calls))


class Batched(Sent):
    """Scales by the largest value of the whole batch."""

    def encode(self, rows, key):
        return Code(values=rows / rows.abs().max())


class Overwriting(Sent):
    """Writes into its input."""

    def encode(self, rows, key):
        return Code(values=rows.mul_(2))


class Growing(Sent):
    """Sends only what is positive."""

    def encode(self, rows, key):
        return Code(values=rows[:, rows[0] > 0])

    def decode(self, code, key, dim):
        return torch.zeros(len(code.values), dim)


class FalselyLossless(Sent):
    """Says lossless, and is not."""

    traits = Traits(lossless=True)


BROKEN = [
    (testing.both_ends_agree, Forgetful()),
    (testing.same_key_same_bytes, Forgetful()),
    (testing.batch_is_loop, Batched()),
    (testing.input_is_unchanged, Overwriting()),
    (testing.zero_stays_zero, Sent(shift=1.0)),
    (testing.is_lossless, FalselyLossless(factor=0.5)),
    (testing.is_unbiased, Sent(factor=0.9)),
    (testing.omega_holds, Sent(factor=0.5, stated_omega=0.2)),
    (testing.omega_holds, Sent(factor=0.5, stated_omega=0.3)),
    (testing.delta_holds, Sent(factor=0.5, stated_omega=0.2)),
    (testing.is_additive, Sent(shift=1.0)),
    (testing.has_fixed_size, Growing()),
]


@pytest.mark.parametrize(("law", "operator"), BROKEN, ids=lambda part: getattr(part, "__name__", repr(part)))
def test_a_broken_operator_breaks_its_law(law, operator):
    with pytest.raises(AssertionError):
        law(operator, X, Key.of(0))


def test_damage_that_nobody_notices_breaks_the_law(monkeypatch):
    monkeypatch.setattr(testing, "decompress", lambda operator, frames, key, dim: torch.zeros(len(frames), dim))
    with pytest.raises(AssertionError, match="that nobody sent"):
        testing.refuses_damage(RandK(k=2), X, Key.of(0))


def test_sending_nan_breaks_the_law(monkeypatch):
    monkeypatch.setattr(testing, "compress", lambda operator, rows, key: ([b""], rows))
    with pytest.raises(AssertionError, match="was sent"):
        testing.refuses_what_is_not_finite(RandK(k=2), X, Key.of(0))
