"""The line that says why a first use takes seconds: only where a kernel really is compiled, and once a process."""

from __future__ import annotations

import logging

from numba.core import event

_log = logging.getLogger("fedkd_compression")


class Notice(event.Listener):
    """Hears of every function of a package that numba compiles here; those found in its cache it does not compile.

    Args:
        package: whose functions are meant.
        what: it compiles, in a few words.
    """

    def __init__(self, package: str, what: str) -> None:
        self._package, self._what, self._said = package, what, False
        self._text = f"{what}, once for this machine (about 20 s)"
        event.register("numba:compile", self)  # type: ignore[no-untyped-call]

    def on_start(self, event: event.Event) -> None:
        """Say so, once."""
        ours = event.data["dispatcher"].py_func.__module__.startswith(f"{self._package}.")
        if ours and not self._said:
            self._said = True
            _log.warning(self._text)

    def on_end(self, event: event.Event) -> None:
        """Nothing to say."""

    def without_cache(self) -> None:
        """Say, instead, that every process compiles."""
        self._text = (
            f"{self._what} in every process, for no folder of a cache can be written; name one in NUMBA_CACHE_DIR"
        )
