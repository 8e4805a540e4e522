"""Small frames of every operator, kept as hexadecimal text: a change of the wire format or of a stream shows here.

`python tests/golden/frames/make.py` writes frames.json anew, after an intended change.
"""

import json
from pathlib import Path

from fedkd_compression import QSGD, Float16, Identity, Key, Operator, RandK, SubtractiveDither, TopK, compress

FILE = Path(__file__).with_name("frames.json")
OPERATORS: dict[str, Operator] = {
    "identity": Identity(),
    "float16": Float16(),
    "qsgd": QSGD(levels=4, norm="l2"),
    "qsgd_max": QSGD(levels=1, norm="max"),
    "dither_coarse": SubtractiveDither(step=2.5),
    "dither": SubtractiveDither(step=1.0),
    "dither_fine": SubtractiveDither(step=0.05),
    "rand_k": RandK(k=3),
    "top_k": TopK(fraction=0.25),
}
DIMS = {"short": 12, "long": 600}
"""Long enough for rANS with tables for some contexts, short enough to read."""


def rows_of(dim: int):
    """One float32 row [1, dim] from a key, with a heavy tail."""
    uniforms = Key.of(0, "golden", "rows").uniforms(dim)
    return (uniforms - 0.5) / (0.02 + uniforms * (1 - uniforms))


def key_of(name: str) -> Key:
    """The key of a golden frame."""
    return Key.of(0, "golden", name)


def made() -> dict[str, str]:
    """Every golden frame, as it is made now."""
    return {
        f"{name}_{size}": compress(operator, rows_of(dim), key_of(name))[0][0].hex()
        for name, operator in OPERATORS.items()
        for size, dim in DIMS.items()
        if size == "short" or name not in {"identity", "float16"}
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(made(), indent=1) + "\n")
