"""The rows of the table. A further one is a line here and a script that trains ``work.Work`` and ends in a watch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from environments import OWN

HERE = Path(__file__).resolve().parent
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")


@dataclass(frozen=True)
class Row:
    """How a row is run.

    Args:
        environment: of ``environments.PACKAGES``, or the project's own.
        script: and what it is told.
        threads: of every process.
        launcher: what the interpreter is given before the script.
        exact: whether it must end with the same model as the others.
    """

    name: str
    environment: str
    script: tuple[str, ...]
    threads: int
    launcher: tuple[str, ...] = ()
    exact: bool = True

    def command(self, interpreter: Path, arguments: tuple[str, ...]) -> list[str]:
        """The command line."""
        name, *told = self.script
        return [str(interpreter), *self.launcher, str(HERE / name), *arguments, *told]


ROWS = (
    Row("plain", OWN, ("row_plain.py",), 2),
    Row("plain_2p", OWN, ("row_plain_2p.py",), 1),
    Row("pfl", "pfl", ("row_pfl.py",), 2),
    Row("pfl_2p", "pfl", ("row_pfl.py",), 1, TORCHRUN),
    Row("flower", "flower", ("row_flower.py",), 1),
    Row("fedkd identity", OWN, ("row_fedkd.py",), 1),
    Row("fedkd MCM r=1", OWN, ("row_fedkd.py", "--links", "MCM r=1"), 1, exact=False),
    Row("fedkd autograd", OWN, ("row_fedkd.py", "--fused", "off"), 1),
)
