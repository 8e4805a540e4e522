"""Operators that break a law each."""

import os
from dataclasses import dataclass, field

import torch

from fedkd_compression import Code, Operator, Traits, kernels


@dataclass(frozen=True)
class Sent(Operator):
    """The row as values, which ``factor`` and ``shift`` spoil when it is decoded."""

    traits = Traits(unbiased=True, exact=True, additive=True, fixed_size=True)
    shift: float = 0.0
    factor: float = 1.0
    stated_omega: float | None = 0.0
    stated_delta: float | None = None

    def encode(self, rows, key):
        return Code(values=rows)

    def decode(self, code, key, dim):
        return code.values * self.factor + self.shift

    def omega(self, dim):
        return self.stated_omega

    def delta(self, dim):
        return self.stated_delta


@dataclass(frozen=True)
class Counting(Sent):
    """Sends, and decodes, something else every time."""

    calls: list = field(default_factory=list, repr=False, compare=False)

    def encode(self, rows, key):
        self.calls.append(1)
        return Code(values=rows * len(self.calls))

    def decode(self, code, key, dim):
        self.calls.append(1)
        return code.values * len(self.calls)


class TwoPasses(Sent):
    """Tells the sender half of what is decoded."""

    def transmit(self, rows, key):
        return self.encode(rows, key), rows / 2


class Batched(Sent):
    """Scales by the largest value of the whole batch."""

    def encode(self, rows, key):
        return Code(values=rows / rows.abs().amax())


class Raising(Sent):
    """Cannot encode."""

    def encode(self, rows, key):
        raise IndexError("index 9 is out of bounds")


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


class WrongTotal(Sent):
    """Forgets the weights."""

    def total(self, code, weights, key, dim):
        return code.values.double().sum(0)


class Overflowing(Sent):
    """Says narrow, and multiplies symbols as narrow as they come."""

    traits = Traits(narrow=True)

    def encode(self, rows, key):
        return Code(symbols=rows.sign().int())

    def decode(self, code, key, dim):
        return (code.symbols * 1000).float()


class Keeping(Sent):
    """Says that it keeps nothing."""

    def kept(self, key, dim):
        return 0


class Misfit(Sent):
    """Contexts beyond the last."""

    def encode(self, rows, key):
        return Code(symbols=rows.sign().int())

    def contexts(self, key, dim):
        return torch.full((len(key.rows), dim), 16, dtype=torch.uint8)


class BadlyShaped(Sent):
    """Becomes one that forgets when it is told the tensors."""

    def shaped(self, tensors):
        return Counting()


class OfTheKernels(Sent):
    """Its factor depends on the kernels in use."""

    def decode(self, code, key, dim):
        return code.values * float(sum(kernels.backend().__name__.encode()))


class OfTheProcess(Sent):
    """Its factor is the process."""

    def decode(self, code, key, dim):
        return code.values * float(os.getpid())
