"""The conductor: submits the app to the SuperLink, takes the task, and becomes Flower's simulation process.

It does what ``flwr run``, ``flower-superexec`` and ``flwr-simulation`` do one after another, in one process: three
imports of Flower less. Ray is started here, meanwhile, so that it listens on this machine's loopback alone.

    python -m fedkd.flower.simulation.conductor order.json LAUNCHER

LAUNCHER is the id of the process that starts it; a conductor whose launcher is gone already does nothing.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedkd.flower.simulation.environment import CLUSTER, LOCAL
from fedkd.flower.simulation.order import Order

if TYPE_CHECKING:
    from flwr.proto.federation_config_pb2 import SimulationConfig
    from flwr.supercore.protobuf.client import ProtobufClientInterceptor

PAUSE = 0.05
"""Seconds between two questions to the SuperLink."""
PATIENCE = 60.0
"""Seconds that a run without a launcher may take to leave its folder."""
WARM = ("fedkd.flower.server", "fedkd.flower.client")
"""What the apps import, with torch: done while Ray starts."""


def main() -> None:
    """Conduct the run of an order in a child; stay behind, to tidy up in case the launcher is killed."""
    path, launcher = Path(sys.argv[1]), int(sys.argv[2])
    if os.getppid() != launcher:
        shutil.rmtree(path.parent, ignore_errors=True)
    elif child := os.fork():
        _outlive(child, launcher, path.parent)
    else:
        _conduct(Order.read(path))


def _outlive(child: int, launcher: int, home: Path) -> None:
    """Wait for the child; without a launcher not for long, and then remove the home and end whoever is left."""
    patience = PATIENCE
    while os.waitpid(child, os.WNOHANG) == (0, 0) and patience > 0:
        time.sleep(PAUSE)
        if os.getppid() != launcher:
            patience -= PAUSE
    if os.getppid() != launcher:
        shutil.rmtree(home, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)


def _conduct(order: Order) -> None:
    threading.Thread(target=_warm, daemon=True).start()
    if CLUSTER not in os.environ:
        _start_ray(order.cores)
    _wait(order.address)
    _submit(order)
    _simulate(order.address, _acquire(order.address))


def _warm() -> None:
    for name in WARM:
        importlib.import_module(name)


def _start_ray(cores: int) -> None:
    """Without its dashboard: that process asks the network which cloud it is in, whatever it is told.

    Ray goes on without it where its port is taken, so it is.
    """
    import ray

    logging.disable(logging.ERROR)
    with socket.create_server((LOCAL, 0)) as taken:
        ray.init(num_cpus=cores, include_dashboard=False, dashboard_port=taken.getsockname()[1])
    logging.disable(logging.NOTSET)


def _wait(address: str) -> None:
    """Until the SuperLink answers; whoever launched us sees whether it is still there."""
    import httpx

    while True:
        try:
            if httpx.get(f"http://{address}/health").is_success:
                return
        except httpx.HTTPError:
            time.sleep(PAUSE)


def _submit(order: Order) -> None:
    """What ``flwr run`` does."""
    from flwr.cli.build import build_fab_from_disk
    from flwr.common.serde import fab_to_proto, user_config_to_proto
    from flwr.proto.control_pb2 import StartRunRequest
    from flwr.proto.federation_config_pb2 import SimulationConfig
    from flwr.supercore.control import ControlHttpClient
    from flwr.supercore.fab import Fab

    resources = order.resources
    bundle = build_fab_from_disk(Path(order.app))
    request = StartRunRequest(
        fab=fab_to_proto(Fab(hashlib.sha256(bundle).hexdigest(), bundle, {})),
        override_config=user_config_to_proto({"config": order.config}),
        override_federation_config=SimulationConfig(
            num_supernodes=resources.clients,
            client_resources_num_cpus=resources.cpus,
            client_resources_num_gpus=resources.gpus,
        ),
    )
    with ControlHttpClient.from_server_address(order.address, True, None, _interceptors()) as client:
        client.StartRun(request)


def _acquire(address: str) -> str:
    """What ``flower-superexec`` does: take the task; the result is the token that it is done with."""
    from flwr.proto.runtime_pb2 import AcquireTaskRequest
    from flwr.supercore.constant import TaskType
    from flwr.supercore.runtime import RuntimeHttpClient

    request = AcquireTaskRequest(supported_task_types=[TaskType.SIMULATION])
    with RuntimeHttpClient.from_server_address(address, True, None, _interceptors()) as client:
        while not (taken := client.AcquireTask(request)).token:
            time.sleep(PAUSE)
    token: str = taken.token
    return token


def _interceptors() -> list[ProtobufClientInterceptor]:
    from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor

    return [RuntimeVersionHttpInterceptor(component_name="flwr CLI")]


def _simulate(address: str, token: str) -> None:
    """What the command ``flwr-simulation`` does, with actors that Ray starts again when they die.

    Flower would give a dead actor the next messages all the same, and each would fail.
    """
    from flwr.simulation import app

    settings = app._run_simulation_settings

    def restarting(config: SimulationConfig) -> Any:
        count, name, backend, *rest = settings(config)
        backend["client_resources"]["max_restarts"] = -1
        return count, name, backend, *rest

    app._run_simulation_settings = restarting  # type: ignore[assignment]
    sys.argv = ["flwr-simulation", "--runtime-api-address", address, "--token", token, "--insecure"]
    app.flwr_simulation()


if __name__ == "__main__":
    main()
