"""Divide a configured data set into folders: python sims/split_data.py to=FOLDER [group=choice] [key=value] ...

    python sims/split_data.py to=parts data=mnist5k clients=3 partitioner=dirichlet

leaves parts/all (everything, for one machine), parts/server (what a server may hold: the index and the test samples)
and parts/node-0, parts/node-1, ... (the index and one client's samples). ``data=folder`` reads any of them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fedkd.cli import guarded
from fedkd.compose import compose
from fedkd.configuration import Settings
from fedkd.data import Dataset, Split, label_counts
from fedkd.data.sources.folder import PUBLIC, TEST, Index
from fedkd.errors import ConfigurationError
from fedkd.keys import key

if TYPE_CHECKING:
    from collections.abc import Sequence


def split(settings: Settings, folder: Path) -> list[Path]:
    """Write the folders; the result names them.

    Raises:
        ConfigurationError: the data has no classes, or the folder is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"to={folder}: holds files already; choose a new folder")
    settings.data.check()
    data = settings.data.load(key(settings.seed, "data"))
    if data.classes < 2 or data.train.y.is_floating_point():
        raise ConfigurationError(f"data={data.name} has real targets, not classes; only classes can be divided")
    labels = data.train.y.numpy()
    parts = settings.partitioner.partition(labels, settings.clients, key(settings.seed, "partition"), data.owner)
    counts = label_counts(labels, parts, data.classes)
    index = Index(data.name, data.train.shape, tuple(tuple(row) for row in counts.tolist()))
    everything, server = folder / "all", folder / "server"
    nodes = [folder / f"node-{client}" for client in range(len(parts))]
    for place in (everything, server, *nodes):
        index.write(place)
    _write_common(data, everything, server)
    for client, (part, node) in enumerate(zip(parts, nodes, strict=True)):
        for place in (everything, node):
            _write(place / f"client-{client}.npz", data.train.take(part))
    return [everything, server, *nodes]


def _write_common(data: Dataset, everything: Path, server: Path) -> None:
    """Test samples are the server's; public ones serve only whoever can teach all clients."""
    for place in (everything, server):
        _write(place / TEST, data.test)
    if len(data.public):
        _write(everything / PUBLIC, data.public)


def _write(path: Path, samples: Split) -> None:
    np.savez(path, x=samples.x.numpy(), y=samples.y.numpy())


def _main(arguments: Sequence[str]) -> None:
    targets = [argument.removeprefix("to=") for argument in arguments if argument.startswith("to=")]
    if len(targets) != 1 or not targets[0]:
        raise ConfigurationError("to: missing; say where: python sims/split_data.py to=FOLDER ...")
    settings = Settings.of(compose([argument for argument in arguments if not argument.startswith("to=")]))
    for place in split(settings, Path(targets[0])):
        size = sum(path.stat().st_size for path in place.iterdir())
        print(f"{place}: {', '.join(sorted(path.name for path in place.iterdir())[:4])} ... {size / 1e6:.1f} MB")


if __name__ == "__main__":
    guarded(lambda: _main(sys.argv[1:]))
