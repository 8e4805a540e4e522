"""Names of array types, for annotations."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
"""float32 or float64."""
Symbols: TypeAlias = NDArray[np.signedinteger[Any]]
"""int8 or int32."""
Unsigned: TypeAlias = NDArray[np.unsignedinteger[Any]]
"""uint32 or uint64."""
Keys: TypeAlias = NDArray[np.uint64]
Words: TypeAlias = NDArray[np.uint32]
Halves: TypeAlias = NDArray[np.uint16]
Octets: TypeAlias = NDArray[np.uint8]
Counts: TypeAlias = NDArray[np.int64]
