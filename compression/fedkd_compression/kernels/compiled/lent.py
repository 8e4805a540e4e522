"""Arrays where kernels are told that they are: any number of them in one call, at any address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numba.core import types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

if TYPE_CHECKING:
    from numpy.typing import NDArray


def addresses(arrays: Sequence[NDArray[Any]]) -> NDArray[np.uint64]:
    """Where contiguous arrays begin; whoever uses these keeps the arrays meanwhile."""
    return np.array([array.__array_interface__["data"][0] for array in arrays], np.uint64)


def _lent(typing: object, address: object, count: object, like: Any) -> tuple[object, Callable[..., object]]:
    """The type of the result, and what makes the code for it; numba reads the names of the arguments."""
    kind = types.Array(like.dtype, 1, "C", readonly=True, aligned=False)

    def generate(context: Any, builder: Any, _: object, arguments: Sequence[Any]) -> object:
        array = context.make_array(kind)(context, builder)
        size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(like.dtype)))
        data = builder.inttoptr(arguments[0], array.data.type)
        populate: Callable[..., None] = populate_array
        populate(array, data=data, shape=[arguments[1]], strides=[size], itemsize=size, meminfo=None)
        return array._getvalue()

    return kind(types.uint64, types.intp, like), generate


lent = cast("Callable[[np.uint64, int, NDArray[Any]], Any]", intrinsic(_lent))
"""In a kernel: the read-only array of so many elements, of the type of another's, at an address, aligned or not."""
