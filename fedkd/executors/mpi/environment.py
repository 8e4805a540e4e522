"""What an MPI launcher tells a process through its environment, before MPI is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping

RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK")
"""Set by MPICH's launcher (and by srun --mpi=pmi2), by Open MPI's, and by every launcher that speaks PMIx."""
SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")
STEP_RANK, STEP_SIZE = "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"
"""srun's own. A batch script has a SLURM_PROCID, too, but belongs to no step."""


def rank_of_environment(environment: Mapping[str, str] = os.environ) -> int | None:
    """The rank that this process will have; None when no launcher started it."""
    step = (STEP_RANK,) if STEP_SIZE in environment else ()
    return _number(environment, (*RANKS, *step))


def size_of_environment(environment: Mapping[str, str] = os.environ) -> int | None:
    """How many ranks there will be; None when the launcher does not say."""
    return _number(environment, (*SIZES, STEP_SIZE))


def launched(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a launcher started this process as one of several ranks; a single one has nobody to send to."""
    return rank_of_environment(environment) is not None and size_of_environment(environment) != 1


def _number(environment: Mapping[str, str], names: tuple[str, ...]) -> int | None:
    found = (environment[name] for name in names if environment.get(name, "").isdecimal())
    return next(map(int, found), None)
