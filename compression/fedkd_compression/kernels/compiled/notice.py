"""The line that says why a first use takes seconds: only where a kernel really is compiled, and once a process."""

from __future__ import annotations

import logging

from numba.core import event

_log = logging.getLogger("fedkd_compression")


class _Notice(event.Listener):
    """Hears of every function that numba compiles in this process; those found in its cache it does not compile."""

    text = "fedkd_compression: compiling its kernels, once for this machine (about 20 s)"
    said = False

    def on_start(self, event: event.Event) -> None:
        ours = event.data["dispatcher"].py_func.__module__.startswith("fedkd_compression.")
        if ours and not self.said:
            self.said = True
            _log.warning(self.text)

    def on_end(self, event: event.Event) -> None:
        """Nothing to say."""


_notice = _Notice()


def announce_compilation() -> None:
    """Say so at the first kernel that numba's cache does not hold."""
    event.register("numba:compile", _notice)  # type: ignore[no-untyped-call]


def announce_missing_cache() -> None:
    """Say, instead, that every process compiles."""
    _notice.text = (
        "fedkd_compression: compiling its kernels in every process, for no folder of a cache can be written; "
        "name one in NUMBA_CACHE_DIR"
    )
