"""How the update's loops are compiled, and arrays at addresses.

Compiled at the first call and kept on disk for the next process: beside the package, or in the user's cache, or in
NUMBA_CACHE_DIR; where no folder can be written, every process compiles. numba renews what it kept when the file of a
kernel changes, not when that of a part does: whoever changes a part removes __pycache__. Sums may be taken in any
order, so that loops become vector instructions; NaN and infinity stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit
from numba.core import types
from numba.extending import intrinsic
from numba.np.numpy_support import carray
from numba.np.unsafe.ndarray import to_fixed_tuple

from fedkd_compression.kernels.compiled.notice import Notice

_notice = Notice("fedkd.optimizers", "fedkd: compiling the learned update")

Function = TypeVar("Function", bound=Callable[..., object])

_ANY_ORDER = frozenset({"reassoc", "contract", "nsz", "arcp"})


def compiled(function: Function) -> Function:
    """Compile at the first call, for the types of its arguments."""
    return _compiled(function, _ANY_ORDER)


def inlined(function: Function) -> Function:
    """Part of every kernel that calls it."""
    return cast(Function, njit(inline="always")(function))


def compiled_in_order(function: Function) -> Function:
    """The same, every operation where it is written."""
    return _compiled(function, frozenset({"contract"}))


def _compiled(function: Function, liberties: frozenset[str]) -> Function:
    # Without Python's error model, which would test every divisor, loops that divide become vector instructions too.
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": set(liberties)}
    try:
        return cast(Function, njit(cache=True, **options)(function))
    except RuntimeError:
        # No folder for the cache can be written.
        _notice.without_cache()
        return cast(Function, njit(**options)(function))


def _pointer(typing: object, address: object, like: Any) -> tuple[object, Callable[..., object]]:
    """The type of the result, and what makes the code for it; numba reads the names of the arguments."""
    kind: Any = types.CPointer(like.dtype)  # type: ignore[no-untyped-call]

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> object:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return kind(types.int64, like), generate


_pointed = cast("Callable[[int, Any], Any]", intrinsic(_pointer))

tuple_of = cast("Callable[[Any, int], tuple[Any, ...]]", to_fixed_tuple)
"""In a kernel: an array's first elements, so many, as a tuple, which loops may keep in registers."""


@compiled
def array_at(address: int, count: int, like: Any) -> Any:
    """In a kernel: the array of so many elements, of the type of another's, at an address."""
    return carray(_pointed(address, like), (count,))
