"""Workers as MPI ranks: rank 0 is the server, and a worker too if it shall be; only this package imports mpi4py."""

from fedkd.executors.mpi.collective import Collective
from fedkd.executors.mpi.environment import launched, rank_of_environment, size_of_environment
from fedkd.executors.mpi.hub import MpiHub
from fedkd.executors.mpi.life import run
from fedkd.executors.mpi.line import MpiLine
from fedkd.executors.mpi.world import World

__all__ = ["Collective", "MpiHub", "MpiLine", "World", "launched", "rank_of_environment", "run", "size_of_environment"]
