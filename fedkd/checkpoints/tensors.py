"""Tensors to files in the safetensors format, straight from where they lie: nothing is copied on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fedkd.checkpoints.places import raw
from fedkd.durable import replace_bytes

if TYPE_CHECKING:
    from torch import Tensor

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_ALIGNED = 8


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Replace a safetensors file in one step.

    Layout: the header's size (8 bytes, little endian), the header (JSON, padded with blanks to 8 bytes), the tensors.
    Wider numbers come first, so that a reader who maps the file finds all of them aligned.

    Raises:
        StorageError: the system refused; the old file is there still.
    """
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    pieces, begin = list[memoryview](), 0
    for name, tensor in sorted(tensors.items(), key=lambda item: -item[1].element_size()):
        pieces.append(raw(tensor.cpu()))
        end = begin + len(pieces[-1])
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % _ALIGNED)
    replace_bytes(path, len(text).to_bytes(8, "little"), text, *pieces)
