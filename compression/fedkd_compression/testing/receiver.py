"""The other process of the law ``another_process_decodes``: a line of JSON in, a line of JSON out."""

from __future__ import annotations

import json
import sys
from typing import Any

import torch

from fedkd_compression.compressor import decompress
from fedkd_compression.keys import Key
from fedkd_compression.testing.travel import NotTravellingError, unpacked


def answered(message: dict[str, Any]) -> dict[str, str]:
    """The row that a message's frame decodes to, as hexadecimal bytes, or why there is none."""
    try:
        operator = unpacked(message["operator"])
        row = decompress(operator, [bytes.fromhex(message["frame"])], Key((message["key"],)), message["dim"])[0]
    except NotTravellingError as error:
        return {"missing": str(error)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    data = row.contiguous().view(torch.uint8).numpy().tobytes() if len(row) else b""
    return {"row": data.hex(), "dtype": str(row.dtype).removeprefix("torch.")}


def main() -> None:
    """Answer until the input ends; what imported modules print goes to the error stream."""
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        out.write(json.dumps(answered(json.loads(line))) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
