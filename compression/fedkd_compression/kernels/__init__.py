"""The loops, in sets with the same functions and the same results, bit for bit.

| set | written in | serves |
|---|---|---|
| numba | compiled loops | tensors of the CPU, and the coder; the one in use by default |
| numpy | plain NumPy: the reference that documents every function | the same |
| torch | tensor operations | tensors of any device, and the coder |
| triton | kernels of its own for dither, levels and sums, torch for the rest | tensors of CUDA devices |

``on(device)`` are the kernels for tensors there, ``backend()`` those of the coder, which works on the host's bytes.
A set is imported at its first use, never with the package.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, cast

from fedkd_compression.errors import OperatorError
from fedkd_compression.kernels.interface import Backend

if TYPE_CHECKING:
    import torch

    from fedkd_compression.kernels.rows import RowKernels

Name = Literal["numba", "numpy", "torch", "triton"]

_CODERS: dict[Name, str] = {
    "numba": "fedkd_compression.kernels.compiled",
    "numpy": "fedkd_compression.kernels.portable",
    "torch": "fedkd_compression.kernels.tensors.coder",
    "triton": "fedkd_compression.kernels.compiled",
}
_chosen: ContextVar[Name | None] = ContextVar("fedkd_compression_kernels", default=None)


def backend() -> Backend:
    """The coder's kernels in use."""
    return _coder(chosen())


def chosen() -> Name:
    """The name of the set in use."""
    return _chosen.get() or "numba"


def on(device: torch.device | str) -> RowKernels:
    """The operators' kernels for tensors of a device."""
    chosen, place = _chosen.get(), str(device)
    if place == "cpu":
        return _rows(chosen or "numba", place)
    return _rows(chosen if chosen in ("torch", "triton") else _best_on_device(), place)


def available() -> tuple[Name, ...]:
    """The sets that this installation has, Triton's where it can be imported."""
    return ("numba", "numpy", "torch", *(("triton",) if _best_on_device() == "triton" else ()))


@cache
def _coder(name: Name) -> Backend:
    return cast(Backend, import_module(_CODERS[name]))


@cache
def _best_on_device() -> Name:
    return "triton" if find_spec("triton") else "torch"


@cache
def _rows(name: Name, device: str) -> RowKernels:
    if name == "torch":
        from fedkd_compression.kernels.tensors import Tensors

        return Tensors(device)
    if name == "triton":
        from fedkd_compression.kernels.triton import rows

        return rows(device)
    from fedkd_compression.kernels.rows import Host

    return Host(_coder(name))


@contextmanager
def use(name: Name) -> Iterator[None]:
    """Use one set of kernels, wherever it can serve, inside a ``with`` block.

    Raises:
        OperatorError: this installation does not have it.

    Example:
        >>> with kernels.use("numpy"):
        ...     frames, received = compress(operator, rows, key)
    """
    if name not in available():
        raise OperatorError(f"kernels: {name} is not installed; choose one of {', '.join(available())}")
    token = _chosen.set(name)
    try:
        yield
    finally:
        _chosen.reset(token)


@contextmanager
def use_threads(count: int) -> Iterator[None]:
    """Share large inputs of the CPU's compiled kernels among so many threads, inside a ``with`` block.

    Otherwise they use as many as torch. Results are the same bits for any number.

    Example:
        >>> with use_threads(8):
        ...     total = exact_total(rows, weights)
    """
    from fedkd_compression.kernels.compiled import compiler

    with compiler.use_threads(count):
        yield
