"""One data set: teachers are fitted, every target of the grid trains a student, validation picks, the test speaks once.

Within a seed all students of one teacher share the first weights and every batch.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from fedkd.keys import key
from fedkd.tasks.targets import label_mask
from sims.distillation.grounds import Ground
from sims.distillation.networks import Networks
from sims.distillation.picks import Row, rows
from sims.distillation.targets import Target, describe, terms

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.data import Split


@dataclass(frozen=True)
class School:
    """One teacher capacity under one seed: its answers to the training samples, and the students it had.

    Args:
        samples: of the training.
        logits: the teacher's, of these samples.
        quality: accuracy and mean confidence of the teacher on training and validation samples.
        validation: accuracy of every student, in the order of the targets.
    """

    samples: Split
    logits: Tensor
    students: Networks
    quality: Mapping[str, float]
    validation: Sequence[float]


@dataclass(frozen=True)
class Outcome:
    """One teacher capacity over all seeds.

    Args:
        schools: one a seed.
        rows: what was picked on validation data.
        test: accuracy of every row's student on the test split, [row][seed].
        composition: what every row's target and its cross-entropy are made of on the training samples, [row][seed].
    """

    ground: Ground
    teacher: str
    targets: Sequence[Target]
    schools: Sequence[School]
    rows: Sequence[Row]
    test: Sequence[Sequence[float]]
    composition: Sequence[Sequence[Mapping[str, float]]]

    @property
    def overconfidence(self) -> float:
        """Mean over the seeds of confidence minus accuracy on validation samples."""
        gaps = (one.quality["validation_confidence"] - one.quality["validation_accuracy"] for one in self.schools)
        return statistics.fmean(gaps)


def study(
    ground: Ground, targets: Sequence[Target], seeds: Sequence[int], center: bool, say: Callable[[str], None]
) -> list[Outcome]:
    """All teachers on one data set; the test split is read after everything was picked.

    Args:
        ground: the data set with its networks.
        targets: CE first.
        seeds: of samples, networks and batches.
        center: whether the mean over the classes is taken off the teachers' logits.
        say: is told about every seed.
    """
    schools: dict[str, list[School]] = {name: [] for name in ground.teachers}
    for seed in seeds:
        data = ground.source.load(key(seed, "data"))
        for name in ground.teachers:
            schools[name].append(teach(ground, name, data.train, data.public, data.classes, targets, seed, center))
        say(f"{ground.name}, seed {seed}: {len(ground.teachers)} teachers, {len(targets)} students each")
    chosen = {name: rows(targets, [one.validation for one in schools[name]]) for name in ground.teachers}
    tests = [ground.source.load(key(seed, "data")).test for seed in seeds]
    return [
        Outcome(
            ground,
            name,
            targets,
            schools[name],
            chosen[name],
            revealed(chosen[name], schools[name], tests),
            [composed(row, targets, schools[name]) for row in chosen[name]],
        )
        for name in ground.teachers
    ]


def teach(
    ground: Ground,
    name: str,
    train: Split,
    validation: Split,
    classes: int,
    targets: Sequence[Target],
    seed: int,
    center: bool,
) -> School:
    """Fit a teacher on the training samples, then train a student a target on the same samples."""
    labels = label_mask(train.y, classes).float()[None]
    teacher = ground.teachers[name].train(train, labels, key(seed, "teacher").fold(name))
    logits = teacher.logits(train.x)[0]
    quality = sureness("training", logits, train.y) | sureness(
        "validation", teacher.logits(validation.x)[0], validation.y
    )
    if center:
        logits = logits - logits.mean(-1, keepdim=True)
    aims = torch.stack([target.aim(logits, train.y) for target in targets])
    students = ground.student.train(train, aims, key(seed, "train"))
    return School(train, logits, students, quality, students.accuracies(validation))


def sureness(name: str, logits: Tensor, y: Tensor) -> dict[str, float]:
    """Accuracy, and the mean probability of the class that is answered."""
    right = (logits.argmax(-1) == y).double().mean().item()
    sure = torch.softmax(logits, dim=-1).amax(-1).double().mean().item()
    return {f"{name}_accuracy": right, f"{name}_confidence": sure}


def revealed(chosen: Sequence[Row], schools: Sequence[School], tests: Sequence[Split]) -> list[list[float]]:
    """Test accuracy of the picked students and of no other, [row][seed]."""
    found: list[list[float]] = [[] for _ in chosen]
    for place, (school, test) in enumerate(zip(schools, tests, strict=True)):
        accuracies = school.students.pick([row.chosen[place] for row in chosen]).accuracies(test)
        for one, accuracy in zip(found, accuracies, strict=True):
            one.append(accuracy)
    return found


def composed(row: Row, targets: Sequence[Target], schools: Sequence[School]) -> list[dict[str, float]]:
    """Diagnostics and terms of a row, one a seed; CE has the teacher's answer at temperature 1 as its q."""
    found = []
    for index, school in zip(row.chosen, schools, strict=True):
        y, logits = school.samples.y, school.logits
        answers = school.students.pick([index]).logits(school.samples.x)[0]
        found.append(describe(targets[index], logits, y) | terms(targets[index], answers, logits, y))
    return found
