"""The command ``flower-simulation``: a run on Flower's nodes, named as Flower names them.

    flower-simulation num_supernodes=10 algorithm=mcm task=distillation rounds=5

is ``fedkd executor=flower clients=10 ...``, with everything that this command line knows.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

NODES = "num_supernodes"


def main() -> None:
    """Entry point."""
    from fedkd.cli import main as run

    sys.argv[1:] = translated(sys.argv[1:])
    run()


def translated(arguments: Sequence[str]) -> list[str]:
    """The arguments for fedkd: a node is a client, and the executor is Flower's unless another one is named.

    Example:
        >>> translated(["num_supernodes=10", "rounds=5"])
        ['executor=flower', 'clients=10', 'rounds=5']
    """
    named = any(argument.startswith("executor=") for argument in arguments)
    return [*([] if named else ["executor=flower"]), *map(_renamed, arguments)]


def _renamed(argument: str) -> str:
    key, equals, value = argument.partition("=")
    return f"clients{equals}{value}" if key == NODES else argument
