"""What is learned from, by whom: a data set, a student, and teachers of three capacities."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fedkd.data import Fashion, Hierarchical, Mnist5k
from sims import options
from sims.distillation.networks import Recipe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedkd.data import Source

SETS = ("hierarchical", "mnist5k", "fashion")
SIZES = ("full", "tiny")
CAPACITIES = ("small", "medium", "large")


@dataclass(frozen=True)
class Ground:
    """One data set with its networks.

    Args:
        source: teacher and student learn from its training samples, the paper's way; its public samples validate.
        teachers: a recipe a capacity.
    """

    name: str
    source: Source
    student: Recipe
    teachers: Mapping[str, Recipe]


def ground(name: str, size: str, teacher_solver: str) -> Ground:
    """The ground of this name.

    Raises:
        ConfigurationError: an unknown name or size, or data that this machine does not have.
    """
    options.one_of("data", name, SETS)
    options.one_of("size", size, SIZES)
    full = _hierarchical() if name == "hierarchical" else _images(name)
    full = replace(full, teachers={each: _solved(one, teacher_solver) for each, one in full.teachers.items()})
    chosen = full if size == "full" else _tiny(full)
    chosen.source.check()
    return chosen


def _hierarchical() -> Ground:
    """100 classes in 10 groups, 30 noisy samples each: a wide teacher fits them all and is too sure of it."""
    source = Hierarchical(
        groups=10,
        classes_per_group=10,
        samples_per_class=30,
        public_per_class=100,
        test_per_class=100,
        dim=64,
        layout="flat",
        group_spread=1.0,
        class_spread=0.35,
        noise=1.0,
    )
    teachers = {
        "small": Recipe((32,), 20, 64, 0.02, "sgd"),
        "medium": Recipe((128,), 60, 64, 0.05, "sgd"),
        "large": Recipe((512,), 60, 64, 0.05, "sgd"),
    }
    return Ground("hierarchical", source, Recipe((32,), 15, 100, 0.003, "adam"), teachers)


def _images(name: str) -> Ground:
    """10 classes of 28 x 28 pixels."""
    teachers = {
        "small": Recipe((16,), 4, 64, 0.02, "sgd"),
        "medium": Recipe((128,), 60, 64, 0.02, "sgd"),
        "large": Recipe((512,), 60, 64, 0.02, "sgd"),
    }
    source = Mnist5k(1000, 2000, 0) if name == "mnist5k" else Fashion(None, 2000, 5000, 0)
    return Ground(name, source, Recipe((16,), 15, 50, 0.002, "adam"), teachers)


def _solved(recipe: Recipe, solver: str) -> Recipe:
    """The recipe under another solver; Adam's rate is that of ``teacher=overconfident``."""
    return recipe if solver == "sgd" else replace(recipe, solver=solver, learning_rate=0.002)


def _tiny(full: Ground) -> Ground:
    """The same in seconds."""
    source = full.source
    if isinstance(source, Hierarchical):
        source = replace(source, groups=3, classes_per_group=3, samples_per_class=8, public_per_class=9, dim=8)
    elif isinstance(source, Mnist5k | Fashion):
        source = replace(source, samples=100, public=90, test=200)
    teachers = {name: replace(one, epochs=3) for name, one in full.teachers.items()}
    return Ground(full.name, source, replace(full.student, epochs=2), teachers)
