"""How kernels are compiled: without Python objects, without its lock, kept on disk for the next process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile at the first call, for the types of its arguments."""
    return cast(Function, njit(cache=True, nogil=True)(function))
