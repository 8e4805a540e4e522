"""Files of tensors are what the safetensors library reads, also where it maps them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load

from fedkd.checkpoints import write_tensors

DTYPES = (
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.bfloat16,
    torch.float16,
    torch.float32,
    torch.float64,
)


def tensors() -> dict[str, torch.Tensor]:
    """Three numbers of every type, none, one without a shape, and some that do not lie in one piece."""
    every = {str(dtype): torch.tensor([0, 1, 3]).to(dtype) for dtype in DTYPES}
    return {
        **every,
        "none": torch.zeros(0, 2),
        "scalar": torch.tensor(2.5),
        "strided": torch.arange(6.0).reshape(2, 3).T,
    }


@pytest.mark.parametrize("metadata", [{}, {"made": "here"}])
def test_the_library_reads_what_is_written(metadata: dict[str, str], tmp_path: Path) -> None:
    kept, path = tensors(), tmp_path / "some.safetensors"
    write_tensors(path, kept, metadata)
    read = load(path.read_bytes())
    with safe_open(path, "pt") as mapped:
        assert (mapped.metadata() or {}) == metadata
        assert set(mapped.keys()) == set(read) == set(kept)
        for name, tensor in kept.items():
            for found in (read[name], mapped.get_tensor(name)):
                assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape)
                assert torch.equal(found, tensor)
