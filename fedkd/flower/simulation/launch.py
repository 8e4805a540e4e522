"""One run in a Flower simulation of its own: started, followed, and stopped whatever happens."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedkd.algorithms.abreast import cores
from fedkd.errors import ConfigurationError
from fedkd.executors.executor import ClientError, Plan
from fedkd.executors.placement import local_devices
from fedkd.flower.job_file import JobFile
from fedkd.flower.simulation.environment import CLUSTER, application, environment, short_folder
from fedkd.flower.simulation.follower import follow
from fedkd.flower.simulation.group import undisturbed
from fedkd.flower.simulation.listener import Listener
from fedkd.flower.simulation.order import Order, Resources
from fedkd.flower.simulation.system import LOG, free_address, system
from fedkd.records.report import Outcome


def simulate(plan: Plan, resources: Resources) -> Outcome:
    """Run a job in a Flower simulation, and show its progress here.

    The ServerApp leaves the run's folder; when the run fails, Flower's log is put into it.

    Raises:
        ConfigurationError: this machine cannot hold a client, or the data do not fit the configuration.
        ClientError: a client failed, or Flower ended before the run did.
        KeyboardInterrupt: before the first round, or twice.
    """
    actors = _actors(resources)
    with _home() as home:
        try:
            outcome = _simulated(plan, resources, actors, home)
        except ClientError as error:
            raise ClientError(f"{error}; log: {_keep_log(home, plan.folder)}", error.trace) from None
        if outcome.reason == "failed":
            _keep_log(home, plan.folder)
        return outcome


@contextmanager
def _home() -> Iterator[Path]:
    """A folder for all that Flower and Ray write; gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="fedkd-", dir=short_folder()))
    try:
        yield home
    finally:
        with undisturbed():
            shutil.rmtree(home, ignore_errors=True)


def _actors(resources: Resources) -> int:
    """How many of Ray's processes this machine holds.

    Raises:
        ConfigurationError: none, so that no client would ever train.
    """
    if CLUSTER in os.environ:
        return resources.clients
    if resources.cpus > cores():
        here = f"the {cores()} cores of this machine; choose client_cpus <= {cores()}"
        raise ConfigurationError(f"Flower: client_cpus={resources.cpus} exceeds {here}")
    if resources.gpus > 0 and resources.gpus > len(local_devices()):
        here = f"the {len(local_devices())} GPUs of this machine; choose client_gpus = 0"
        raise ConfigurationError(f"Flower: client_gpus={resources.gpus:g} exceeds {here}")
    return resources.actors(cores())


def _simulated(plan: Plan, resources: Resources, actors: int, home: Path) -> Outcome:
    plan.recorder.announce(f"starting Flower's simulation with {resources.clients} nodes")
    config, relay, app = home / "job.json", home / "relay", application()
    JobFile(plan.values, str(plan.folder), plan.overrides, str(relay)).write(config)
    order = Order(free_address(), str(app), str(config), actors * resources.cpus, resources)
    with Listener(relay) as listener, system(order, environment(home, app), home) as processes:
        return follow(listener, plan.recorder, processes.check)


def _keep_log(home: Path, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(home / LOG, folder / LOG))
