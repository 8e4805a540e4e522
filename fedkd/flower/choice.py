"""Flower as the executor: a simulation on Ray, a deployment, or nodes in this process.

Nothing here imports flwr before a run starts.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fedkd.errors import ConfigurationError
from fedkd.executors.executor import Executor, ExecutorChoice, Plan, Site

if TYPE_CHECKING:
    from fedkd.records import Outcome

_LONGEST = 366 * 24 * 3600


@dataclass(frozen=True)
class Limits:
    """How long to wait, and for how many.

    Args:
        timeout: seconds for a round's replies.
        startup: seconds for nodes to appear.
    """

    timeout: float
    startup: float

    def __post_init__(self) -> None:
        for name, value in (("timeout", self.timeout), ("startup", self.startup)):
            if not 0 < value <= _LONGEST:
                raise ConfigurationError(
                    f"Flower: {name}={value:g} is outside (0, {_LONGEST}] seconds; choose {name} = 600"
                )


@dataclass(frozen=True)
class FlowerNodes(ExecutorChoice):
    """Clients are Flower's nodes, which keep their own memories.

    Args:
        timeout: seconds for a round's replies; who is later is missing.
        startup: seconds for nodes to appear.
    """

    timeout: float
    startup: float

    volatile: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.limits  # noqa: B018
        if importlib.util.find_spec("flwr") is None:
            raise ConfigurationError("Flower: package flwr is not installed; pip install 'fedkd[flower]'")

    @property
    def limits(self) -> Limits:
        """How long to wait, and for how many."""
        return Limits(self.timeout, self.startup)

    def start(self, site: Site) -> Executor:
        """Find the nodes, inside a ServerApp.

        Raises:
            ClientError: too few nodes are there in time.
        """
        from fedkd.flower.executor import FlowerExecutor
        from fedkd.flower.seat import seat

        where = seat.get()
        assert where is not None, "a job on Flower is conducted by a ServerApp"
        return FlowerExecutor(where, site, self.limits)


@dataclass(frozen=True)
class Flower(FlowerNodes):
    """Flower's simulation on Ray, with a SuperLink of this run's own; inside a ServerApp, that one's nodes.

    Args:
        client_cpus: CPUs of an actor: as many clients train at once as fit.
        client_gpus: share of a GPU of an actor.
    """

    client_cpus: int
    client_gpus: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.client_cpus < 1:
            raise ConfigurationError(f"Flower: client_cpus={self.client_cpus} is below 1; choose client_cpus = 1")
        if self.client_gpus < 0:
            raise ConfigurationError(f"Flower: client_gpus={self.client_gpus:g} is negative; choose client_gpus = 0")

    def conduct(self, plan: Plan) -> Outcome | None:
        """By a ServerApp of a simulation; here, when this is one."""
        from fedkd.flower.seat import seat

        if seat.get() is not None:
            return None
        from fedkd.flower.simulation.launch import simulate
        from fedkd.flower.simulation.order import Resources

        return simulate(plan, Resources(plan.clients, self.client_cpus, self.client_gpus))


@dataclass(frozen=True)
class FlowerInProcess(FlowerNodes):
    """A ServerApp and ClientApps in this process, one client after another: for tests, and to debug."""

    def conduct(self, plan: Plan) -> Outcome | None:
        """By a ServerApp here."""
        from fedkd.flower.seat import seat

        if seat.get() is not None:
            return None
        from fedkd.flower.in_process import conduct
        from fedkd.job import Job

        assert isinstance(plan, Job)
        return conduct(plan)
