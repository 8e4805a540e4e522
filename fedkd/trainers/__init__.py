"""How a worker trains the clients that it was given."""

from fedkd.trainers.foreign import ForeignTrainer
from fedkd.trainers.serial import Serial
from fedkd.trainers.solvers import Adam, Gradient, Sgd, Solver
from fedkd.trainers.trainer import Pupil, Samples, Trainer, Update

__all__ = ["Adam", "ForeignTrainer", "Gradient", "Pupil", "Samples", "Serial", "Sgd", "Solver", "Trainer", "Update"]
