"""A job: one run from settings to the folder that it leaves behind."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedkd import checkpoint
from fedkd.algorithms import ServerState, StaleMemoryError
from fedkd.build import Setup, build
from fedkd.checkpoint import RunState
from fedkd.configuration.settings import Settings
from fedkd.executors import ClientError
from fedkd.executors.placement import Seat, seat_rows
from fedkd.federation import Federation, run
from fedkd.records import Commentator, Jsonl, Manifest, Outcome, Reason, Recorder, RunInfo, Timeline, read_manifest
from fedkd.tasks.co_trained_learner import CoTrainedLearner
from fedkd.tasks.learner import NetworkLearner
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
    """

    settings: Settings
    folder: Path
    values: Mapping[str, object]
    overrides: Sequence[str]
    recorder: Commentator

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
    setup = build(job.settings, console.announce)
    kept = _kept(job)
    job.folder.mkdir(parents=True, exist_ok=True)
    choice = _choice(job, setup)
    setup = choice.setup
    state = setup.algorithm.start(setup.model) if kept is None else _resumed(job, setup, kept)
    federation = setup.open(job.folder, choice.values)
    try:
        if kept is not None:
            federation.executor.restore(state.round, kept.clients)
        recorders: Sequence[Recorder] = (Jsonl(), Timeline(), Manifest(), console)
        info = _info(job, setup, federation.executor.seats, choice.facts)
        console.show_workers(federation.executor.seats)
        for recorder in recorders:
            recorder.start(info)
        return _loop(job, setup, federation, state, recorders)
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
    if job.settings.resume is None:
        return choose(setup, job.values, job.folder, job.recorder.announce)
    return chosen_before(setup, job.values, read_manifest(job.folder))


def _loop(job: Job, setup: Setup, federation: Federation, state: ServerState, recorders: Sequence[Recorder]) -> Outcome:
    settings, began = job.settings, time.perf_counter()
    reason: Reason = "failed"
    message = trace = ""
    try:
        for after, report in run(federation, state, settings.rounds):
            state = after
            for recorder in recorders:
                recorder.record(report)
            if settings.checkpoint_every and state.round % settings.checkpoint_every == 0:
                clients = federation.executor.commit(state.round)
                checkpoint.save(job.folder, RunState(state, clients, settings.executor.volatile))
        reason = "finished"
    except KeyboardInterrupt:
        reason = "interrupted"
        message = f"interrupted after round {state.round}; continue with resume={job.folder}"
    except ClientError as error:
        message, trace = str(error), error.trace
    except (OperatorError, StaleMemoryError, WireError) as error:
        message = str(error)
    finally:
        digest = save_model(job.folder, setup, state.model)
        outcome = Outcome(reason, state.round, time.perf_counter() - began, digest, message, trace)
        for recorder in recorders:
            recorder.finish(outcome)
    return outcome


def _kept(job: Job) -> RunState | None:
    """What the run to be resumed had reached; it may not have kept anything yet."""
    if job.settings.resume is None or not checkpoint.exists(job.folder):
        return None
    return checkpoint.load(job.folder)


def _resumed(job: Job, setup: Setup, kept: RunState) -> ServerState:
    """The server's state; clients that kept their memories themselves, or are to keep them, start anew."""
    if not (kept.volatile or job.settings.executor.volatile):
        return kept.server
    job.recorder.announce("every client's memories are reset: the whole model is sent to each once more")
    return setup.algorithm.forget(kept.server, range(job.settings.clients))


def save_model(folder: Path, setup: Setup, model: Tensor) -> str:
    """Write model.safetensors under the parameters' own names; the result is the sha256 of the vector's bytes."""
    learner = setup.learner
    named = {"w": model}
    if isinstance(learner, NetworkLearner | CoTrainedLearner):
        learner.load(model)
        named = {name: parameter.detach().clone() for name, parameter in learner.module.named_parameters()}
    checkpoint.write_tensors(folder / "model.safetensors", named, {})
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
