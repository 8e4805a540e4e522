"""How a run ends: its model and its records are left behind, however much of them can be written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from fedkd.errors import StorageError
from fedkd.records import Outcome, Recorder
from fedkd.signals import postponed


def end(outcome: Outcome, folder: Path, save: Callable[[], str], recorders: Sequence[Recorder]) -> Outcome:
    """Save the model and let every recorder finish; what cannot be written fails the run, but hinders no other.

    Args:
        outcome: without the model's sha256.
        folder: of the run.
        save: writes the model; the result is its sha256.
        recorders: of the run.
    """
    with postponed():
        try:
            outcome = replace(outcome, model_sha256=save())
        except StorageError as error:
            outcome = _failed(outcome, folder, error)
        for recorder in recorders:
            try:
                recorder.finish(outcome)
            except StorageError as error:
                outcome = _failed(outcome, folder, error)
    return outcome


def told(folder: Path, error: StorageError) -> str:
    """What a user must know of files that could not be written, in one line."""
    return f"{error}, then continue with resume={folder}"


def _failed(outcome: Outcome, folder: Path, error: StorageError) -> Outcome:
    """The first failure is the one to tell; those that follow have its cause."""
    if outcome.reason == "failed":
        return outcome
    return replace(outcome, reason="failed", message=told(folder, error), code=error.code)
