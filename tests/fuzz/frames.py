"""Whole frames: any bytes behind a right start, checksum and fingerprint give a row of the right shape or WireError.

The first byte of an input chooses the golden frame whose operator, key and dimension the receiver expects; the others
are the frame. So the inputs to start from are the golden frames themselves.
"""

import json

from fedkd_compression import WireError, decompress, wire
from fedkd_compression.testing.sealing import SEALED, sealed
from tests.golden.frames.make import FILE, parts

GOLDEN = {name: bytes.fromhex(text) for name, text in json.loads(FILE.read_text()).items()}
NAMES = sorted(GOLDEN)
RECEIVERS = [parts(name) for name in NAMES]
_MAGIC = bytes((wire.MAGIC, wire.VERSION))


def corpus() -> list[bytes]:
    """The golden frames, each behind the byte that chooses its receiver."""
    return [bytes((i,)) + GOLDEN[name] for i, name in enumerate(NAMES)]


def one_input(data: bytes) -> None:
    """Decode one; whatever else than WireError is raised is a fault."""
    if len(data) <= 1 + SEALED:
        return
    operator, key, dim = RECEIVERS[data[0] % len(RECEIVERS)]
    named = wire.fingerprint(operator).to_bytes(2, "little")
    frame = sealed(_MAGIC + data[3 : 1 + SEALED] + named + data[3 + SEALED :])
    try:
        rows = decompress(operator, [frame], key, dim)
    except WireError:
        return
    assert rows.shape == (1, dim)


def largest() -> int:
    """The largest dimension of a receiver."""
    return max(dim for _, _, dim in RECEIVERS)
