"""The loops: a compiled set (numba) and a portable set (NumPy) with the same functions and the same results.

``backend()`` is the set in use. The compiled set is imported at its first use, never with the package.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from typing import Literal, cast

from fedkd_compression.kernels.interface import Backend

Name = Literal["numba", "numpy"]

_MODULES: dict[Name, str] = {
    "numba": "fedkd_compression.kernels.compiled",
    "numpy": "fedkd_compression.kernels.portable",
}
_chosen: ContextVar[Name] = ContextVar("fedkd_compression_kernels", default="numba")


def backend() -> Backend:
    """The set of kernels in use."""
    return _loaded(_chosen.get())


@cache
def _loaded(name: Name) -> Backend:
    return cast(Backend, import_module(_MODULES[name]))


@contextmanager
def use(name: Name) -> Iterator[None]:
    """Use a set of kernels inside a ``with`` block.

    Example:
        >>> with kernels.use("numpy"):
        ...     frames, received = compress(operator, rows, key)
    """
    token = _chosen.set(name)
    try:
        yield
    finally:
        _chosen.reset(token)
