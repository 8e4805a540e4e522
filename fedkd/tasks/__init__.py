"""What a client learns: supervised, distillation (with its teachers), self-supervised, convex, foreign."""

from fedkd.tasks.base import Batch, Task
from fedkd.tasks.convex import ConvexTask, Optimum, client_weights
from fedkd.tasks.distillation import Distillation
from fedkd.tasks.foreign import Foreign, ForeignData
from fedkd.tasks.least_squares import LeastSquares
from fedkd.tasks.logistic import Logistic
from fedkd.tasks.matching import Matching
from fedkd.tasks.relation_exchange import RelationExchange
from fedkd.tasks.ressl import ReSSL
from fedkd.tasks.schedules import Schedule
from fedkd.tasks.self_supervised import SelfSupervised
from fedkd.tasks.supervised import Supervised
from fedkd.tasks.targets import distillation_loss, target, taus
from fedkd.tasks.teachers import (
    CachedLogits,
    ClassLogits,
    CoTrained,
    FittedTeacher,
    GlobalModel,
    Lesson,
    Local,
    PastModels,
    Pretrained,
    Shelf,
    Teacher,
)

__all__ = [
    "Batch",
    "CachedLogits",
    "ClassLogits",
    "CoTrained",
    "ConvexTask",
    "Distillation",
    "FittedTeacher",
    "Foreign",
    "ForeignData",
    "GlobalModel",
    "LeastSquares",
    "Lesson",
    "Local",
    "Logistic",
    "Matching",
    "Optimum",
    "PastModels",
    "Pretrained",
    "ReSSL",
    "RelationExchange",
    "Schedule",
    "SelfSupervised",
    "Shelf",
    "Supervised",
    "Task",
    "Teacher",
    "client_weights",
    "distillation_loss",
    "target",
    "taus",
]
