"""The errors that a user can cause; each message is one line: value, bound, fix."""

from __future__ import annotations


class ConfigurationError(ValueError):
    """A value in the configuration cannot work.

    The message names the value, the bound that it breaks, and the fix:
    ``"Dirichlet: alpha=0 is not positive; choose alpha > 0"``.
    """
