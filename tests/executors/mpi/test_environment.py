"""Launchers are told by what they put into the environment."""

from __future__ import annotations

import pytest

from fedkd.executors.mpi import launched, rank_of_environment, size_of_environment

HYDRA = {"PMI_RANK": "1", "PMI_SIZE": "4"}
OPEN_MPI = {"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "3", "PMIX_RANK": "2"}
SRUN_PMIX = {"PMIX_RANK": "5", "SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "8"}
SRUN_ALONE = {"SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "8"}
SRUN_OF_ONE = {"PMIX_RANK": "0", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}
BATCH_SCRIPT = {"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}


@pytest.mark.parametrize(
    ("environment", "rank", "size", "several"),
    [
        ({}, None, None, False),
        (HYDRA, 1, 4, True),
        (OPEN_MPI, 2, 3, True),
        ({"PMIX_RANK": "0"}, 0, None, True),
        (SRUN_PMIX, 5, 8, True),
        (SRUN_ALONE, 5, 8, True),
        (SRUN_OF_ONE, 0, 1, False),
        (BATCH_SCRIPT, None, None, False),
        ({"PMI_RANK": "0", "PMI_SIZE": "1"}, 0, 1, False),
        ({"PMI_RANK": ""}, None, None, False),
    ],
)
def test_environment_says_rank_and_size(
    environment: dict[str, str], rank: int | None, size: int | None, several: bool
) -> None:
    assert rank_of_environment(environment) == rank
    assert size_of_environment(environment) == size
    assert launched(environment) is several
