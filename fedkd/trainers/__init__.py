"""How a worker trains the clients that it was given."""

from fedkd.trainers.batched import Batched
from fedkd.trainers.fastest import Fastest
from fedkd.trainers.foreign import ForeignTrainer
from fedkd.trainers.serial import Serial
from fedkd.trainers.solvers import Adam, Gradient, Sgd, Solver
from fedkd.trainers.star import Star
from fedkd.trainers.trainer import Pupil, Samples, Trainer, Update

__all__ = [
    "Adam",
    "Batched",
    "Fastest",
    "ForeignTrainer",
    "Gradient",
    "Pupil",
    "Samples",
    "Serial",
    "Sgd",
    "Solver",
    "Star",
    "Trainer",
    "Update",
]
