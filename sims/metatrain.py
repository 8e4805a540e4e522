"""Meta-train a learned optimizer: python sims/metatrain.py [role=client] [key=value ...] [--quick].

    python sims/metatrain.py                                        theta for clients: local steps on small networks
    python sims/metatrain.py role=server                            theta for the server: federated rounds
    mpirun -n 2 python sims/metatrain.py                            the same theta, the particles divided among ranks
    python sims/run.py solver=star solver.theta=runs/metatrain/client/theta.safetensors         use it

Options are those of fedkd/metatraining/terms.py; MNIST, a default family, comes with `pip install '.[data]'`. The same
command goes on from the last checkpoint in its output folder, on any number of ranks. theta.safetensors there is that
of the last checkpoint, log.jsonl has a line a step.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fedkd.cli import guarded
from fedkd.durable import check_folder, make_folder
from fedkd.executors import mpi
from fedkd.metatraining import kept
from fedkd.metatraining.exchange import Alone
from fedkd.metatraining.terms import ROLES
from fedkd.metatraining.training import MetaTraining, Progress, mean_loss
from fedkd.records import Console
from fedkd.records.lines import RoundLines
from fedkd.signals import heeded
from sims import options

if TYPE_CHECKING:
    from fedkd.executors.mpi import World
    from fedkd.metatraining.exchange import Exchange
    from fedkd.metatraining.terms import Terms

QUICK: dict[str, object] = {"families": ("quadratics", "quadratics"), "particles": 2, "steps": 4, "checkpoint_every": 2}
SAID = 50
"""Steps between two lines on the console."""


def request(arguments: Sequence[str]) -> tuple[str, Terms]:
    """The role and its terms.

    Raises:
        ConfigurationError: an unknown key, or a value out of its bounds.
    """
    roles = [argument.partition("=")[2] for argument in arguments if argument.startswith("role=")]
    role = roles[-1] if roles else "client"
    options.one_of("role", role, list(ROLES))
    rest = [argument for argument in arguments if not argument.startswith("role=")]
    return role, options.read(ROLES[role], rest, QUICK)


def train(terms: Terms, exchange: Exchange, console: Console) -> None:
    """Go on from the last checkpoint, or begin; to the last step."""
    torch.set_num_threads(1)
    training = MetaTraining(terms, exchange)
    if kept.resume(training):
        console.announce(f"goes on after step {training.learner.step} of {terms.steps}")
    make_folder(Path(terms.output))
    past: list[Progress] = []
    with closing(RoundLines(Path(terms.output) / kept.LOG)) as lines:
        while training.learner.step < terms.steps:
            began = time.perf_counter()
            past.append(training.advance())
            if exchange.rank == 0:
                lines.write(past[-1].step, _line(past[-1], time.perf_counter() - began))
            if training.learner.step % terms.checkpoint_every == 0 or training.learner.step == terms.steps:
                kept.save(training)
            if training.learner.step % SAID == 0:
                console.announce(_said(terms, past[-SAID:]))


def _line(progress: Progress, seconds: float) -> str:
    return json.dumps({"round": progress.step, "losses": progress.losses, "norm": progress.norm, "seconds": seconds})


def _said(terms: Terms, past: Sequence[Progress]) -> str:
    shown = ", ".join(f"{name} {loss:.3f}" for name, loss in zip(terms.families, mean_loss(past), strict=True))
    return f"step {past[-1].step + 1} of {terms.steps}, mean log loss: {shown}"


def main(arguments: Sequence[str], exchange: Exchange | None = None) -> None:
    """One process, or one rank of several."""
    _, terms = request(arguments)
    exchange = Alone() if exchange is None else exchange
    if exchange.rank == 0:
        check_folder(Path(terms.output))
    # The check removes what it makes: others must not be making it meanwhile.
    exchange.meet()
    console = Console("auto", quiet=exchange.rank > 0)
    train(terms, exchange, console)
    console.announce(f"theta: {Path(terms.output) / kept.THETA}")


def _rank(world: World) -> int | None:
    """Every rank reads the same command line; those above 0 stay until they are let go."""
    if world.rank == 0:
        guarded(lambda: main(sys.argv[1:], mpi.Collective(world)))
        return None
    main(sys.argv[1:], mpi.Collective(world))
    while world.line() is not None:
        pass
    return None


if __name__ == "__main__":
    with heeded():
        if mpi.launched():
            mpi.run(_rank)
        guarded(lambda: main(sys.argv[1:]))
