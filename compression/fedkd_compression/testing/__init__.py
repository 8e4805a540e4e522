"""The laws that every operator obeys; run them on your own.

    def test_my_operator():
        check_operator(MyOperator())

Each law is a function of an operator, a row and a key that raises AssertionError with what was measured and what was
promised; ``laws_of`` gives them as cases for pytest. A law that an operator does not promise does not concern it.
"""

from __future__ import annotations

from fedkd_compression.testing.catalogue import LAWS
from fedkd_compression.testing.check import DIMS, Case, check_operator, laws_of
from fedkd_compression.testing.inputs import EVERYWHERE, EXTREME, INPUTS
from fedkd_compression.testing.law import Law, law
from fedkd_compression.testing.processes import NotCheckedWarning

__all__ = [
    "DIMS",
    "EVERYWHERE",
    "EXTREME",
    "INPUTS",
    "LAWS",
    "Case",
    "Law",
    "NotCheckedWarning",
    "check_operator",
    "law",
    "laws_of",
]
