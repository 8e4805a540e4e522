"""What the uplink's operator is given in a run, kept for benchmarks of operators.

    python sims/record_updates.py [overrides] [--rounds 1,5,9] [--clients 0,7,13] [--output updates.npz]

Runs the main job, or whatever the overrides make of it, up to the last of the rounds, and keeps one vector for each of
them and the client beside it: the update after the memory is subtracted, x - h. The npz holds float32 [vectors, d]
under the name ``updates``; a JSON beside it says where they come from. The run is the same as without a recorder.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fedkd.build import Setup, build
from fedkd.cli import guarded
from fedkd.clients import Memory
from fedkd.compose import compose
from fedkd.configuration import Settings, check
from fedkd.durable import replace_bytes, replace_text
from fedkd.errors import ConfigurationError
from fedkd.executors import Local
from fedkd.federation import Federation, run
from fedkd.keys import key
from fedkd_compression import Code, Key, Named, Operator, Part, Traits

if TYPE_CHECKING:
    from torch import Tensor


class Moment(NamedTuple):
    """A client's message in a round."""

    round: int
    client: int


@dataclass
class Shelf:
    """What is to be kept, by the stream of its message's key, and what was found so far."""

    wanted: dict[int, Moment]
    found: dict[Moment, Tensor] = field(default_factory=dict)

    def keep(self, rows: Tensor, streams: Key) -> None:
        """Keep the rows whose streams are wanted."""
        for row, stream in zip(rows, streams.rows, strict=True):
            if stream in self.wanted:
                self.found[self.wanted[stream]] = row.float().clone()


@dataclass(frozen=True)
class Recorded(Operator):
    """An operator, and a shelf for what it is given."""

    operator: Operator
    shelf: Shelf = field(repr=False, compare=False)

    @property
    def traits(self) -> Traits:
        """The operator's."""
        return self.operator.traits

    def encode(self, rows: Tensor, key: Key) -> Code:
        """As the operator."""
        self.shelf.keep(rows, key)
        return self.operator.encode(rows, key)

    def transmit(self, rows: Tensor, key: Key) -> tuple[Code, Tensor]:
        """As the operator."""
        self.shelf.keep(rows, key)
        return self.operator.transmit(rows, key)

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """As the operator."""
        return self.operator.decode(code, key, dim)

    def omega(self, dim: int) -> float | None:
        """The operator's."""
        return self.operator.omega(dim)

    def delta(self, dim: int) -> float | None:
        """The operator's."""
        return self.operator.delta(dim)

    def contexts(self, key: Key, dim: int) -> Tensor | None:
        """The operator's."""
        return self.operator.contexts(key, dim)

    def children(self, key: Key, dim: int) -> tuple[Part, ...]:
        """The operator's."""
        return self.operator.children(key, dim)

    def kept(self, key: Key, dim: int) -> int | None:
        """The operator's."""
        return self.operator.kept(key, dim)

    def total(self, code: Code, weights: Tensor, key: Key, dim: int) -> Tensor:
        """The operator's."""
        return self.operator.total(code, weights, key, dim)

    def shaped(self, tensors: tuple[Named, ...]) -> Recorded:
        """With the operator shaped."""
        return replace(self, operator=self.operator.shaped(tensors))

    def check(self, dim: int) -> None:
        """The operator must be able to serve the dimension."""
        self.operator.check(dim)


def record(settings: Settings, moments: Sequence[Moment]) -> tuple[list[Tensor], Setup, Federation]:
    """The vectors of some moments of a run in this process, in their order, and what was run.

    Raises:
        ConfigurationError: a client took no part in its round, or its message was not compressed there.
    """
    shelf = Shelf({key(settings.seed, "uplink", *moment).rows[0]: moment for moment in moments})
    uplink = replace(settings.uplink, operator=Recorded(settings.uplink.operator, shelf))
    rounds = 1 + max(moment.round for moment in moments)
    here = replace(settings, executor=Local(), store=Memory())
    setup = build(replace(here, uplink=uplink, rounds=rounds, evaluate_every=rounds), settings.recorder.announce)
    settings.recorder.announce(f"running {rounds} rounds")
    with TemporaryDirectory() as folder:
        federation = setup.open(Path(folder), {})
        for _ in run(federation, setup.algorithm.start(setup.model), rounds):
            pass
    for moment in moments:
        if moment not in shelf.found:
            raise ConfigurationError(
                f"round {moment.round}: nothing of client {moment.client} was compressed; choose one that takes part"
            )
    return [shelf.found[moment] for moment in moments], setup, federation


def origin(settings: Settings, overrides: Sequence[str], moments: Sequence[Moment], setup: Setup) -> dict[str, object]:
    """Where the vectors come from, as plain values."""
    facts = setup.facts()
    return {
        "overrides": list(overrides),
        "data": setup.data.name,
        "data_sha256": facts["data_sha256"],
        "partition_sha256": facts["partition_sha256"],
        "algorithm": settings.algorithm.name,
        "task": type(settings.task).__name__,
        "clients": settings.clients,
        "seed": settings.seed,
        "uplink": repr(settings.uplink.resolve(len(setup.model))),
        "vectors": [{"round": moment.round, "client": moment.client} for moment in moments],
    }


def main(arguments: Sequence[str]) -> None:
    """Run, record, write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="of the configuration, as for sims/run.py")
    parser.add_argument("--rounds", type=_numbers, default="1,5,9", help="counted from 0; one vector for each")
    parser.add_argument("--clients", type=_numbers, default="0,7,13", help="the client of each round")
    parser.add_argument("--output", type=Path, default=Path("updates.npz"))
    asked = parser.parse_intermixed_args(arguments)
    if len(asked.rounds) != len(asked.clients):
        raise ConfigurationError(f"--rounds has {len(asked.rounds)} numbers, --clients {len(asked.clients)}; pair them")
    moments = [Moment(*pair) for pair in zip(asked.rounds, asked.clients, strict=True)]
    settings = Settings.of(compose([*asked.overrides, "compare={}"]))
    check(settings)
    vectors, setup, _ = record(settings, moments)
    held = io.BytesIO()
    np.savez_compressed(held, updates=np.stack([vector.numpy() for vector in vectors]))
    replace_bytes(asked.output, held.getvalue())
    said = origin(settings, asked.overrides, moments, setup)
    replace_text(asked.output.with_suffix(".json"), json.dumps(said, indent=1) + "\n")
    settings.recorder.announce(f"{asked.output}: {len(vectors)} vectors of {len(vectors[0])} numbers")


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(item) for item in text.split(","))


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
