"""What the library refuses; every message is one line: value, bound, fix."""

from __future__ import annotations


class OperatorError(ValueError):
    """A field of an operator, or a vector given to it, cannot work.

    The message names the value, the bound that it breaks, and the fix:
    ``"RandK: k=30 exceeds dim=20; choose k <= dim"``.
    """


class WireError(ValueError):
    """Bytes that are not a valid frame for this receiver: damaged, cut off, foreign, or malformed."""
