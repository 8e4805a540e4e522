"""Teachers: where the logits of a distilling client come from. They never enter a channel."""

from fedkd.tasks.teachers.base import CachedLogits, FittedTeacher, Teacher
from fedkd.tasks.teachers.class_logits import ClassLogits
from fedkd.tasks.teachers.co_trained import CoTrained
from fedkd.tasks.teachers.global_model import GlobalModel
from fedkd.tasks.teachers.lesson import Lesson
from fedkd.tasks.teachers.local import Local
from fedkd.tasks.teachers.past_models import PastModels
from fedkd.tasks.teachers.pretrained import Pretrained
from fedkd.tasks.teachers.shelf import Shelf

__all__ = [
    "CachedLogits",
    "ClassLogits",
    "CoTrained",
    "FittedTeacher",
    "GlobalModel",
    "Lesson",
    "Local",
    "PastModels",
    "Pretrained",
    "Shelf",
    "Teacher",
]
