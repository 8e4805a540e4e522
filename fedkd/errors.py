"""The errors that a user can cause or mend; each message is one line: value or file, bound or reason, fix."""

from __future__ import annotations

from typing import ClassVar


class ConfigurationError(ValueError):
    """A value in the configuration cannot work.

    The message names the value, the bound that it breaks, and the fix:
    ``"Dirichlet: alpha=0 is not positive; choose alpha > 0"``.
    """


class StorageError(RuntimeError):
    """A file or a folder cannot be written or read: a full disk, a missing right, a broken device.

    The message names the file, what the system said, and the fix:
    ``"runs/a/metrics.jsonl: cannot be written (No space left on device); free some space"``.

    Attributes:
        code: with which a command ends, EX_IOERR of sysexits.h.
    """

    code: ClassVar[int] = 74
