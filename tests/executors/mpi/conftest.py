"""Without mpirun and mpi4py there is nothing to start, and without Open MPI 5 nothing survives."""

from tests.executors.mpi.launchers import launchers

collect_ignore = [] if launchers() else ["test_collective.py", "test_exchange.py", "test_ends.py"]
if not any(launcher.open_mpi for launcher in launchers()):
    collect_ignore.append("test_ulfm.py")
