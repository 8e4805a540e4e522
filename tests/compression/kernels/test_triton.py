"""Triton's kernels give exactly what the portable ones give: interpreted on the CPU, compiled where there is a card.

The interpreter is chosen when Triton is imported, so it has a process of its own. That the compiled code neither
fuses nor approximates is read from the code itself, which Triton makes for any card without having one.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fedkd_compression.kernels import on, portable, use
from fedkd_compression.kernels.rows import Host

triton = pytest.importorskip("triton", reason="Triton is not installed (pip install triton)")

from fedkd_compression.kernels.tensors import Tensors  # noqa: E402
from fedkd_compression.kernels.triton import Compiled, dither, levels, sums  # noqa: E402
from fedkd_compression.kernels.triton import rows as kernels_of  # noqa: E402

INTERPRETED = triton.knobs.runtime.interpret
PLACE = "cpu" if INTERPRETED else "cuda"
REFERENCE = Host(portable)
KEYS = np.array([1, 2**63 + 12345, 2**64 - 1], np.uint64)
DIMS = [0, 1, 63, 64, 65, 1000, 1025, *([] if INTERPRETED else [16385, 40000])]
FLOATS = [torch.float32, torch.float64]
LEVELS = [1, 5, 127, 1 << 20]

served = pytest.mark.skipif(
    not INTERPRETED and not torch.cuda.is_available(), reason="no CUDA device; the interpreter is in another process"
)
compiles = pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")


def rows_of(dim, dtype):
    """Three rows: heavy-tailed, with subnormal numbers and halves, zeros."""
    rows = torch.randn(3, dim, generator=torch.Generator().manual_seed(dim), dtype=torch.float64).pow(3).clamp(-80, 80)
    rows[1] = torch.where(torch.arange(dim) % 2 == 0, 0.5 * rows[1].round(), rows[1] * 1e-38)
    rows[2] = 0
    return rows.to(dtype)


def same(name, *arguments):
    """The reference's result, after a look that Triton's has the same place, dtype, shape and bits."""
    expected = getattr(REFERENCE, name)(*arguments)
    there = [argument.to(PLACE) if isinstance(argument, torch.Tensor) else argument for argument in arguments]
    found = getattr(kernels_of(PLACE), name)(*there)
    pairs = zip(*((value if isinstance(value, tuple) else (value,)) for value in (found, expected)), strict=True)
    for one, other in pairs:
        assert one.device.type == PLACE
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.cpu().numpy().tobytes() == other.numpy().tobytes(), f"{name} differs from the portable kernel"
    return expected


@served
@pytest.mark.parametrize("narrow", [True, False])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("dim", DIMS)
def test_dither(dim, dtype, narrow):
    rows, steps = rows_of(dim, dtype), torch.tensor([0.9 if narrow else 0.009, 0.7, 0.0], dtype=dtype)
    symbols, _ = same("dither_encode", rows, steps, KEYS, narrow)
    same("dither_decode", symbols, steps, KEYS)


@served
@pytest.mark.parametrize("count", LEVELS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("dim", DIMS)
def test_levels(dim, dtype, count):
    rows = rows_of(dim, dtype)
    norms = REFERENCE.peaks(rows).to(dtype)
    symbols = same("levels_encode", rows, norms, count, KEYS)
    same("levels_decode", symbols, norms, count)


@served
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("dim", [*DIMS, 40000])
def test_sums(dim, dtype):
    rows = rows_of(dim, dtype)
    same("squares", rows)
    same("dots", rows, rows.flip(0) * 1e9 + 1)


@served
def test_it_is_used_where_it_is_asked_for_and_lacks_nothing():
    with use("triton"):
        assert type(on(PLACE)) is Compiled
        assert same("peaks", rows_of(100, torch.float32)).shape == (3,)


@compiles
def test_tensor_operations_take_its_place_on_the_cpu_and_where_it_cannot_compile(monkeypatch):
    with use("triton"):
        assert type(on("cpu")) is Tensors
    monkeypatch.setattr(Compiled, "levels_decode", lambda *_: 1 / 0)
    with pytest.warns(UserWarning, match="cannot compile for meta .division by zero.; using tensor operations"):
        assert type(kernels_of("meta")) is Tensors


@compiles
def test_the_interpreter_gives_the_same_bits():
    root = Path(__file__).parents[3]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(__file__).relative_to(root))]
    done = subprocess.run(
        command, cwd=root, env={**os.environ, "TRITON_INTERPRET": "1"}, check=False, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stdout
    assert "101 passed" in done.stdout


SIGNATURES = [
    pytest.param(dither._encode, "real real i64 whole real", id="dither_encode"),
    pytest.param(dither._decode, "whole real i64 real", id="dither_decode"),
    pytest.param(levels._encode, "real real i64 whole real", id="levels_encode"),
    pytest.param(levels._decode, "whole real real real", id="levels_decode"),
    pytest.param(sums._dots, "real real fp64", id="dots"),
]


@compiles
@pytest.mark.parametrize("real", ["fp32", "fp64"])
@pytest.mark.parametrize(("kernel", "types"), SIGNATURES)
def test_the_compiled_code_rounds_after_every_operation(kernel, types, real, monkeypatch, tmp_path):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    pointers = ["*" + {"real": real, "whole": "i8"}.get(kind, kind) for kind in types.split()]
    signature = dict(zip(kernel.arg_names, [*pointers, "i32", "i32", "constexpr"], strict=True))
    source = triton.compiler.ASTSource(kernel, signature, {"block": 1024})
    for card in (75, 80, 90):
        target = triton.backends.compiler.GPUTarget("cuda", card, 32)
        code = triton.compile(source, target=target, options={"enable_fp_fusion": False}).asm["ptx"]
        # The floor of a positive subnormal number is zero with and without flushing it first.
        operations = set(re.findall(r"\b[a-z]+\.[a-z0-9.]*f(?:32|64)\b", code)) - {"cvt.rmi.ftz.f32.f32"}
        assert not [name for name in operations if re.search(r"fma|mad|approx|full|ftz", name)]
        divides = kernel not in (dither._decode, sums._dots)
        assert (f"div.rn.{real.replace('fp', 'f')}" in operations) == divides
