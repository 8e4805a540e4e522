"""What a law is: a sentence, a function that checks it, and the operators that it concerns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key
    from fedkd_compression.operators.base import Operator

    Check: TypeAlias = Callable[[Operator, Tensor, Key], None]
    Concern: TypeAlias = Callable[[Operator, int], bool]


def _every(operator: Operator, dim: int) -> bool:
    return True


@dataclass(frozen=True)
class Law:
    """A law; called with an operator, a row [d] and a key of one row, it raises AssertionError where it is broken.

    Args:
        check: measures and asserts; its name is the law's, the first line of its docstring the law's sentence.
        concerns: whether an operator promises this at a dimension; a law that does not concern an operator holds.
        statistical: draws often, and allows five standard errors; all others are exact.
    """

    check: Check
    concerns: Concern = _every
    statistical: bool = False

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.check.__name__

    @property
    def sentence(self) -> str:
        """What holds, in one line."""
        return (self.check.__doc__ or self.name).splitlines()[0]

    def __call__(self, operator: Operator, x: Tensor, key: Key) -> None:
        """Check it on one row."""
        if self.concerns(operator, len(x)):
            self.check(operator, x, key)


def law(concerns: Concern = _every, *, statistical: bool = False) -> Callable[[Check], Law]:
    """A function as a law.

    Example:
        >>> @law(lambda operator, dim: operator.traits.lossless)
        ... def is_lossless(operator, x, key):
        ...     '''A lossless operator gives the sent bits.'''
    """
    return lambda check: Law(check, concerns, statistical)
