"""Steps that are recorded once and replayed: CUDA graphs, whose launch costs the processor next to nothing.

A recorded step reads and writes tensors that stay where they are: parameters and what the descent keeps anyway, the
batch by copies into a recording's own tensors. A shape is met a few times before it is recorded: libraries choose their
ways and allocate their workspaces when they are first used, which must not happen while recording.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from fedkd.errors import ConfigurationError
from fedkd.trainers.batched.cohort import Step, each

if TYPE_CHECKING:
    from torch import Tensor

Record = Callable[[Callable[[], None]], Callable[[], None]]
"""Takes a program without arguments and gives what runs it again; it is not run while it is recorded."""

MET = 2
"""How often a shape is computed as any other before it is recorded."""
MOST = 16
"""Recordings that are kept; further shapes are computed anew every time."""


class Recordings:
    """A step function, recorded for every shape of step that comes again and again.

    Args:
        run: a pure function of tensors that stay where they are, and of the step's.
        record: see ``Record``; ``cuda_graphs`` on a GPU.
    """

    def __init__(self, run: Callable[[Step], Tensor], record: Record) -> None:
        self._run, self._record = run, record
        self._met: dict[tuple[object, ...], int] = {}
        self._kept: dict[tuple[object, ...], Recording] = {}

    def __call__(self, step: Step) -> Tensor:
        """The outputs of the step, to be read before the next step of this shape."""
        shape = (step.batch.x.shape, step.scale is None)
        if shape in self._kept:
            return self._kept[shape](step)
        met = self._met.get(shape, 0)
        if met < MET or len(self._kept) == MOST:
            self._met[shape] = met + 1
            return self._run(step)
        self._kept[shape] = Recording(self._run, step, self._record)
        return self._kept[shape](step)


class Recording:
    """One step, recorded with tensors of its own for what comes in and goes out."""

    def __init__(self, run: Callable[[Step], Tensor], like: Step, record: Record) -> None:
        self._inputs = [part.clone() for part in _tensors(like)]
        self._outputs: list[Tensor] = []
        held = iter(self._inputs)
        own = like._replace(
            batch=each(like.batch, lambda _: next(held)),
            sizes=next(held),
            scale=None if like.scale is None else next(held),
            drawn=None if like.drawn is None else next(held),
        )

        def program() -> None:
            self._outputs[:] = [run(own)]

        self._replay = record(program)

    def __call__(self, step: Step) -> Tensor:
        """Replay on another step of this shape."""
        for own, given in zip(self._inputs, _tensors(step), strict=True):
            own.copy_(given)
        self._replay()
        return self._outputs[0]


def cuda_graphs() -> Record:
    """Record as CUDA graphs that share one pool of memory: they run one after another.

    Raises:
        ConfigurationError: while recording, something waited for the device, or chose by a value on it.
    """
    pool = torch.cuda.graph_pool_handle()

    def record(program: Callable[[], None]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=pool, stream=torch.cuda.current_stream()):
                program()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            raise ConfigurationError(
                f"Batched: graph=true cannot record this model and task ({reason}); choose trainer.graph=false"
            ) from error
        return graph.replay

    return record


def _tensors(step: Step) -> list[Tensor]:
    return [part for part in (*step.batch, step.sizes, step.scale, step.drawn) if part is not None]
