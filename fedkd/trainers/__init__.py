"""How a worker trains the clients that it was given."""

from fedkd.trainers.serial import Serial, Update
from fedkd.trainers.solvers import Adam, Gradient, Sgd, Solver

__all__ = ["Adam", "Gradient", "Serial", "Sgd", "Solver", "Update"]
