"""How a worker trains the clients that it was given."""

from fedkd.trainers.foreign import ForeignTrainer
from fedkd.trainers.serial import Serial, Trainer, Update
from fedkd.trainers.solvers import Adam, Gradient, Sgd, Solver

__all__ = ["Adam", "ForeignTrainer", "Gradient", "Serial", "Sgd", "Solver", "Trainer", "Update"]
