"""A job: one run from settings to the folder that it leaves behind."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fedkd.algorithms import ServerState, StaleMemoryError, fitted
from fedkd.build import Setup, build
from fedkd.checkpoints import Checkpoints, RunState, write_tensors
from fedkd.configuration.settings import Settings
from fedkd.durable import make_folder
from fedkd.ending import end, told
from fedkd.errors import StorageError
from fedkd.executors import ClientError
from fedkd.executors.placement import Seat, seat_rows
from fedkd.federation import Federation, run
from fedkd.initialisation import MODEL, named
from fedkd.records import (
    Commentator,
    Failures,
    Jsonl,
    Manifest,
    Outcome,
    Reason,
    Recorder,
    RoundReport,
    RunInfo,
    Timeline,
    read_manifest,
)
from fedkd.records.embedding_picture import write_embedding
from fedkd.signals import exit_code
from fedkd.tasks.ressl.learner import RelationalLearner
from fedkd.tasks.self_supervised import CollapseError, SelfSupervised
from fedkd.trial import Choice, choose, chosen_before
from fedkd_compression import OperatorError, WireError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Job:
    """A run that is about to start.

    Args:
        folder: what the run leaves behind.
        values: the resolved configuration.
        overrides: what the run was started with; a comparison beside it starts with them too.
        recorder: to which the run speaks.
        goes_on: asked after every checkpoint but the last, with the rounds done; it may take its time. No ends the
            run in order, as an interrupted one.
    """

    settings: Settings
    folder: Path
    values: Mapping[str, object]
    overrides: Sequence[str]
    recorder: Commentator
    goes_on: Callable[[int], bool] | None = None

    @property
    def clients(self) -> int:
        """Number of clients."""
        return self.settings.clients


def execute(job: Job) -> Outcome:
    """Run the job, or the rest of it, and leave its folder behind, also when it is interrupted.

    Raises:
        ConfigurationError: the data or the checkpoint do not fit the configuration.
    """
    console = job.recorder
    if (done := _done(job)) is not None:
        console.announce(done.message)
        return done
    if (outcome := job.settings.executor.conduct(job)) is not None:
        return outcome
    checkpoints = Checkpoints(job.folder, job.settings.checkpoint_keep)
    kept = None if job.settings.resume is None else checkpoints.load(console.announce)
    setup = build(job.settings if kept is None else replace(job.settings, init=None), console.announce)
    make_folder(job.folder)
    choice = _choice(job, setup)
    setup = choice.setup
    state = setup.algorithm.start(setup.model) if kept is None else _resumed(job, setup, kept)
    federation = setup.open(job.folder, choice.values)
    try:
        if kept is not None:
            federation.executor.restore(checkpoints.kept_with(state.round), kept.carried)
        recorders: Sequence[Recorder] = (Jsonl(), Timeline(), Failures(), Manifest(), console)
        facts = {**choice.facts, **({} if kept is None else _origin(job))}
        info = replace(_info(job, setup, federation.executor.seats, facts), begins=state.round)
        console.show_workers(federation.executor.seats)
        for recorder in recorders:
            recorder.start(info)
        return _loop(job, setup, federation, state, recorders, checkpoints)
    finally:
        federation.executor.close()


def _done(job: Job) -> Outcome | None:
    """The outcome of a run that is resumed after its last round."""
    if job.settings.resume is None:
        return None
    kept = read_manifest(job.folder)
    if kept["reason"] != "finished" or kept["rounds_done"] < job.settings.rounds:
        return None
    message = f"{job.folder}: all {kept['rounds_done']} rounds are done; raise rounds to go on"
    return Outcome("finished", kept["rounds_done"], kept["seconds"], kept["model_sha256"], message)


def _choice(job: Job, setup: Setup) -> Choice:
    """The trainer that is found by trial, or was when the run that is resumed began."""
    kept = None if job.settings.resume is None else read_manifest(job.folder)
    if kept is None or kept["configuration"]["trainer"] != job.values["trainer"]:
        return choose(setup, job.values, job.folder, job.recorder.announce)
    return chosen_before(setup, job.values, kept)


def _origin(job: Job) -> Mapping[str, object]:
    """What the first model was made from, as the run noted it when it began: the file may be gone."""
    return {"init": read_manifest(job.folder)["facts"]["init"]}


def _loop(
    job: Job,
    setup: Setup,
    federation: Federation,
    state: ServerState,
    recorders: Sequence[Recorder],
    checkpoints: Checkpoints,
) -> Outcome:
    settings, began = job.settings, time.perf_counter()
    reason: Reason = "failed"
    message = trace = ""
    code: int | None = None
    try:
        for after, report in run(federation, state, settings.rounds):
            state = after
            for recorder in recorders:
                recorder.record(report)
            if settings.checkpoint_every and state.round % settings.checkpoint_every == 0:
                _commit(federation, state, checkpoints, recorders)
                if job.goes_on is not None and state.round < settings.rounds and not job.goes_on(state.round):
                    raise KeyboardInterrupt
            _heed(job, report)
        reason = "finished"
    except KeyboardInterrupt as stop:
        reason, code = "interrupted", exit_code(stop)
        message = f"interrupted after round {state.round}; continue with resume={job.folder}"
    except StorageError as error:
        message, code = told(job.folder, error), error.code
    except ClientError as error:
        message, trace = str(error), error.trace
    except (CollapseError, OperatorError, StaleMemoryError, WireError) as error:
        message = str(error)
    finally:
        outcome = Outcome(reason, state.round, time.perf_counter() - began, "", message, trace, code)
        outcome = end(outcome, job.folder, lambda: _leave(job, setup, state.model), recorders)
    return outcome


def _heed(job: Job, report: RoundReport) -> None:
    """End the run where its task says so."""
    task = job.settings.task
    if report.alarm and isinstance(task, SelfSupervised) and task.on_collapse == "stop":
        key = f"{task.path}.on_collapse"
        change = f"resume={job.folder} changed=[{key}] {key}=warn"
        raise CollapseError(f"round {report.round + 1}: {report.alarm}; or go on with {change}")


def _commit(
    federation: Federation, state: ServerState, checkpoints: Checkpoints, recorders: Sequence[Recorder]
) -> None:
    """Make all that has happened durable: what is recorded, the clients' states, and last the server's."""
    for recorder in recorders:
        recorder.commit()
    undone = {client: state.uplink.taken.get(client, 0) for client in state.undoing}
    carried = federation.executor.commit(checkpoints.kept_with(state.round), undone)
    checkpoints.save(RunState(state, carried, federation.volatile))


def _resumed(job: Job, setup: Setup, kept: RunState) -> ServerState:
    """The server's state; clients that kept their memories themselves, or are to keep them, start anew."""
    server = fitted(kept.server, setup.algorithm.start(kept.server.model))
    if not (kept.volatile or job.settings.executor.volatile):
        return server
    job.recorder.announce("every client's memories are reset: the whole model is sent to each once more")
    return setup.algorithm.forget(server, range(job.settings.clients))


def _leave(job: Job, setup: Setup, model: Tensor) -> str:
    """Write the model, and where the task is about features a picture's worth of them; the result is its sha256."""
    digest = save_model(job.folder, setup, model)
    if isinstance(setup.learner, RelationalLearner):
        shown = setup.learner.features(model, setup.data.test)
        write_embedding(job.folder, shown.x, shown.y)
    return digest


def save_model(folder: Path, setup: Setup, model: Tensor) -> str:
    """Write model.safetensors under the tensors' own names; the result is the sha256 of the vector's bytes."""
    write_tensors(folder / MODEL, named(setup.learner.tensors, model), {})
    return hashlib.sha256(model.contiguous().numpy().tobytes()).hexdigest()


def _info(job: Job, setup: Setup, seats: Sequence[Seat], found: Mapping[str, object]) -> RunInfo:
    settings = job.settings
    return RunInfo(
        name=job.folder.name,
        folder=job.folder,
        algorithm=settings.algorithm.name,
        task=type(settings.task).__name__,
        data=setup.data.name,
        rounds=settings.rounds,
        clients=settings.clients,
        parameters=setup.learner.dim,
        configuration=dict(job.values),
        label_counts=setup.label_counts,
        facts={
            **setup.facts(),
            **found,
            "seed": settings.seed,
            "threads": settings.threads,
            "workers": seat_rows(seats),
            "overrides": list(job.overrides),
        },
    )
