"""One process of the fuzzer: ``python -m tests.fuzz.worker HARNESS KERNELS EXECUTIONS SEED FOLDER``.

Coverage-guided by atheris where it is installed; the package's Python is instrumented, compiled kernels are not, and so
a part of the executions uses the portable kernels. Without atheris: random changes of the inputs to start from.
"""

import random
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz import memory

LONGEST = 700
SLACK = 16 << 20
"""Bytes by which a process may grow at once in any case: arenas, and what the fuzzer keeps."""


def checked(harness):
    """The harness's function, which fails when the process has grown by more than an input's bound since the last."""
    allowed, last = memory.bound(harness.largest()) + SLACK, 0

    def run(data):
        nonlocal last
        harness.one_input(data)
        # What the fuzzer takes before its first input does not count.
        before, last = last or memory.resident(), memory.resident()
        assert last - before <= allowed, f"the process has grown by {last - before} bytes; {allowed} are allowed"

    return run


def instrument(name):
    """Import what a harness reads with, with atheris's counters in it; numba could not compile functions with them."""
    import atheris

    (folder,) = find_spec("fedkd_compression").submodule_search_locations
    compiled = [path.stem for path in Path(folder, "kernels", "compiled").glob("*.py")]
    excluded = [f"fedkd_compression.kernels.compiled.{name}" for name in compiled]
    with atheris.instrument_imports(include=["fedkd_compression", "fedkd"], exclude=excluded):
        import_module("fedkd_compression.kernels.portable")
        import_module("tests.laws.table")
        import_module(f"tests.fuzz.{name}")


def guided(harness, executions, seed, folder):
    """Let atheris choose inputs; it ends the process, with a status that is not 0 when an input fails."""
    import atheris

    arguments = [f"-runs={executions}", f"-seed={seed}", f"-max_len={LONGEST}", "-timeout=10", "-len_control=0"]
    places = [f"-artifact_prefix={folder}/failed-", "-print_final_stats=1", str(folder)]
    atheris.Setup([sys.argv[0], *arguments, *places], checked(harness))
    atheris.Fuzz()


def unguided(harness, executions, seed, folder):
    """Change inputs at random, ``executions`` times."""
    choices, run = random.Random(seed), checked(harness)  # noqa: S311
    inputs = [path.read_bytes() for path in sorted(folder.iterdir())]
    for _ in range(executions):
        data = changed(choices.choice(inputs), choices)
        try:
            run(data)
        except BaseException:
            (folder / "failed-input").write_bytes(data)
            raise


def changed(data, choices):
    """One to four bytes changed, a piece removed or repeated, or the end cut off."""
    out = bytearray(data)
    for _ in range(choices.randint(1, 4)):
        at = choices.randrange(len(out) + 1)
        kind = choices.randrange(8)
        if kind == 0:
            del out[at : at + choices.randrange(9)]
        elif kind == 1:
            out[at:at] = out[at : at + choices.randrange(9)]
        elif kind == 2:
            del out[at:]
        else:
            out[at : at + 1] = bytes((choices.choice((0, 1, 127, 128, 255, choices.randrange(256))),))
    return bytes(out[:LONGEST])


def main():
    """Fuzz as the arguments say."""
    name, backend, executions, seed, folder = sys.argv[1:]
    fuzz = unguided
    if find_spec("atheris"):
        fuzz = guided
        instrument(name)
    import torch

    from fedkd_compression import kernels

    torch.set_num_threads(1)
    harness = import_module(f"tests.fuzz.{name}")
    with kernels.use(backend):
        for data in harness.corpus():
            harness.one_input(data)
        fuzz(harness, int(executions), int(seed), Path(folder))


if __name__ == "__main__":
    main()
