"""Everything by which Python, torch and mpi4py make objects of bytes that may be code, forbidden.

As a plug-in (``plugins=[tests]``) its trainer forbids it in the process that makes it, be it a rank of MPI.
"""

from __future__ import annotations

import _pickle
import marshal
import pickle
import shelve
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any

import numba.core.caching as numba_cache
import torch

from fedkd.trainers import Pupil, Serial, Update

if TYPE_CHECKING:
    from fedkd.tasks.learner import Learner
    from fedkd.trainers.solvers import Solver

_NAMES = ("load", "loads", "Unpickler")
FORBIDDEN: dict[str, tuple[Any, str]] = {
    **{f"pickle.{name}": (pickle, name) for name in (*_NAMES, "_load", "_loads", "_Unpickler")},
    **{f"_pickle.{name}": (_pickle, name) for name in _NAMES},
    "multiprocessing": (ForkingPickler, "loads"),
    "torch.load": (torch, "load"),
    "marshal.load": (marshal, "load"),
    "marshal.loads": (marshal, "loads"),
    "shelve.open": (shelve, "open"),
}
OWN = ("<frozen importlib._bootstrap_external>", numba_cache.__file__)
"""Who may all the same: Python and numba read the code that they themselves have compiled before."""


class UnpicklingError(Exception):
    """Something was to be unpickled."""


def refusal(name: str, work: Any) -> Any:
    """What stands in for a function that unpickles, or for a class that does: others may derive from it."""

    def refuse(*given: Any, **named: Any) -> Any:
        if sys._getframe(1).f_code.co_filename in OWN:
            return work(*given, **named)
        raise UnpicklingError(name)

    return type(name, (work,), {"__init__": refuse}) if isinstance(work, type) else refuse


def refusals() -> list[tuple[Any, str, Any]]:
    """Where each function is, its name there, and what stands in for it."""
    return [(owner, of, refusal(name, getattr(owner, of))) for name, (owner, of) in FORBIDDEN.items()]


@cache
def forbid() -> None:
    """From now on, in this process; also what mpi4py has taken for itself."""
    for owner, attribute, instead in refusals():
        setattr(owner, attribute, instead)
    if (mpi := sys.modules.get("mpi4py.MPI")) is not None:
        mpi.pickle.__init__(loads=refusal("mpi4py", None))


@dataclass(frozen=True)
class Sealed(Serial):
    """As ``Serial``, in a process that cannot unpickle from the moment on in which its settings are read.

    Args:
        tries: whether it tries to.
    """

    tries: bool

    def __post_init__(self) -> None:
        forbid()

    def train(self, learner: Learner, solver: Solver, pupils: Sequence[Pupil]) -> list[Update]:
        """Train; it is so."""
        assert pickle.loads.__name__ == "refuse"
        if self.tries:
            pickle.loads(pickle.dumps(1))  # noqa: S301
        return super().train(learner, solver, pupils)
