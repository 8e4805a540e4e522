"""The numbers of a study: tables, plain words, and everything for the JSON file."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict

from sims.distillation.picks import COMPARISONS, Comparison, differences, error, verdict
from sims.distillation.study import Outcome
from sims.plots import Table, spread

DIAGNOSTICS = ("DA", "IV", "DV", "entropy", "inversion_rate")
TERMS = ("correct", "smooth", "discriminability")


def named(outcome: Outcome, row: int) -> str:
    """A row's target; where seeds differ in it, how many there are."""
    chosen = outcome.rows[row].chosen
    different = {outcome.targets[place] for place in chosen}
    if len(different) > 1:
        return f"{len(different)} pairs"
    target = outcome.targets[chosen[0]]
    return target.name if target.kind == "CE" else f"{target.name} at {target.kd_weight:g}"


def compared(outcome: Outcome, comparison: Comparison) -> list[float]:
    """Test accuracy of two rows, in points, seed by seed."""
    tests = {row.label: test for row, test in zip(outcome.rows, outcome.test, strict=True)}
    return differences(tests[comparison.first], tests[comparison.second])


def teachers(outcomes: Sequence[Outcome]) -> Table:
    """Accuracy and confidence of the teachers."""
    headings = ("teacher", "hidden", "training %", "validation %", "confidence %", "conf. - acc.")
    lines = []
    for one in outcomes:
        quality = [school.quality for school in one.schools]
        means = {name: spread([each[name] for each in quality], ".2f", 100) for name in quality[0]}
        lines.append(
            (
                f"{one.ground.name}, {one.teacher}",
                "-".join(map(str, one.ground.teachers[one.teacher].hidden)),
                means["training_accuracy"],
                means["validation_accuracy"],
                means["validation_confidence"],
                f"{100 * one.overconfidence:+.1f}",
            )
        )
    return Table("teachers", headings, lines)


def accuracies(outcome: Outcome) -> Table:
    """Every row: what was picked, its accuracy on validation and on test samples."""
    headings = ("row", "target", "validation %", "test %")
    lines = []
    for place, (row, test) in enumerate(zip(outcome.rows, outcome.test, strict=True)):
        seen = [school.validation[index] for school, index in zip(outcome.schools, row.chosen, strict=True)]
        lines.append((row.label, named(outcome, place), spread(seen, ".2f", 100), spread(test, ".2f", 100)))
    return Table(f"{outcome.ground.name}, {outcome.teacher} teacher: accuracy", headings, lines)


def paired(outcome: Outcome) -> Table:
    """Differences on the test split, seed by seed."""
    headings = ("difference", "points", "wins", "verdict", "by seed")
    lines = []
    for comparison in COMPARISONS:
        values = compared(outcome, comparison)
        wins = f"{sum(value > 0 for value in values)} of {len(values)}"
        by_seed = " ".join(f"{value:+.2f}" for value in values)
        lines.append((comparison.label, spread(values, "+.2f"), wins, verdict(values), by_seed))
    return Table(f"{outcome.ground.name}, {outcome.teacher} teacher: paired differences on test", headings, lines)


def composition(outcome: Outcome) -> Table:
    """What each row's target is made of, and the three terms of its cross-entropy, on the training samples."""
    headings = ("row", "DA", "IV", "DV", "entropy", "inverted", "correct", "smooth", "discrim.")
    lines = []
    for row, found in zip(outcome.rows, outcome.composition, strict=True):
        means = (statistics.fmean(one[name] for one in found) for name in (*DIAGNOSTICS, *TERMS))
        lines.append((row.label, *(f"{value:.3g}" for value in means)))
    return Table(f"{outcome.ground.name}, {outcome.teacher} teacher: targets and terms", headings, lines)


def sentences(outcomes: Sequence[Outcome]) -> list[str]:
    """Where ATS wins and where it loses against TS, in words that the tables show; nothing is said twice."""
    spoken = (COMPARISONS[0], COMPARISONS[3], COMPARISONS[2])
    return list(dict.fromkeys(_sentence(outcome, comparison) for outcome in outcomes for comparison in spoken))


def _sentence(outcome: Outcome, comparison: Comparison) -> str:
    words = {"wins": "beats", "loses": "loses to", "even": "is even with"}
    values, labels = compared(outcome, comparison), [row.label for row in outcome.rows]
    first, second = (named(outcome, labels.index(label)) for label in (comparison.first, comparison.second))
    sure = f"{100 * outcome.overconfidence:+.1f}"
    return (
        f"{outcome.ground.name}, {outcome.teacher} teacher (confidence - accuracy {sure}): "
        f"{first} {words[verdict(values)]} {second}; {spread(values, '+.2f')} points, "
        f"{sum(value > 0 for value in values)} of {len(values)} seeds"
    )


def record(outcome: Outcome) -> dict[str, object]:
    """Everything that was measured, as plain values."""
    return {
        "data": outcome.ground.name,
        "source": repr(outcome.ground.source),
        "teacher": outcome.teacher,
        "teacher_recipe": asdict(outcome.ground.teachers[outcome.teacher]),
        "student_recipe": asdict(outcome.ground.student),
        "quality": [dict(school.quality) for school in outcome.schools],
        "overconfidence": outcome.overconfidence,
        "targets": [asdict(target) for target in outcome.targets],
        "validation": [list(school.validation) for school in outcome.schools],
        "rows": [
            {"label": row.label, "chosen": list(row.chosen), "test": list(test), "composition": list(map(dict, found))}
            for row, test, found in zip(outcome.rows, outcome.test, outcome.composition, strict=True)
        ],
        "differences": [_difference(outcome, comparison) for comparison in COMPARISONS],
    }


def _difference(outcome: Outcome, comparison: Comparison) -> dict[str, object]:
    values = compared(outcome, comparison)
    several = len(values) > 1
    return {
        **comparison._asdict(),
        "by_seed": values,
        "mean": statistics.fmean(values),
        "deviation": statistics.stdev(values) if several else None,
        "error": error(values) if several else None,
        "wins": sum(value > 0 for value in values),
        "verdict": verdict(values),
    }
