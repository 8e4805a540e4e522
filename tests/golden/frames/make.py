"""Small frames of every operator, kept as hexadecimal text: a change of the wire format or of a stream shows here.

`python -m tests.golden.frames.make` writes frames.json anew, after an intended change.
"""

import json
from pathlib import Path

from fedkd_compression import Key, Operator, OperatorError, compress
from tests.laws.table import OPERATORS

FILE = Path(__file__).with_name("frames.json")
SHORT, LONG = (12, 20), (600,)
"""Dimensions: the first of the short ones that an operator serves; long enough for rANS with several tables."""
LONGEST = 500
"""Longer frames are not kept: the file is to be read."""


def rows_of(dim: int):
    """One float32 row [1, dim] from a key, with a heavy tail."""
    uniforms = Key.of(0, "golden", "rows").uniforms(dim)
    return (uniforms - 0.5) / (0.02 + uniforms * (1 - uniforms))


def key_of(name: str) -> Key:
    """The key of a golden frame."""
    return Key.of(0, "golden", name)


def parts(golden: str) -> tuple[Operator, Key, int]:
    """Operator, key and dimension of a golden frame by its name."""
    name, dim = golden.rsplit("-", 1)
    return OPERATORS[name], key_of(name), int(dim)


def made() -> dict[str, str]:
    """Every golden frame, as it is made now."""
    frames = {}
    for name, operator in OPERATORS.items():
        for dim in _dims(operator):
            (frame,), _ = compress(operator, rows_of(dim), key_of(name))
            if len(frame) <= LONGEST:
                frames[f"{name}-{dim}"] = frame.hex()
    return frames


def _dims(operator: Operator) -> list[int]:
    return [dim for dims in (SHORT, LONG) for dim in [dim for dim in dims if _serves(operator, dim)][:1]]


def _serves(operator: Operator, dim: int) -> bool:
    try:
        operator.check(dim)
    except OperatorError:
        return False
    return True


if __name__ == "__main__":
    FILE.write_text(json.dumps(made(), indent=1) + "\n")
