"""A data set that lies divided: one file a client, so that each node of a deployment holds its own and no other."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fedkd.data.dataset import Dataset, Outline, Source, Split
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.keys import Key

INDEX, TEST, PUBLIC = "clients.json", "test.npz", "public.npz"


@dataclass(frozen=True)
class Index:
    """What everyone may know of a divided data set; the server needs no more of the training samples.

    Args:
        name: of the data set.
        shape: of one sample.
        labels: how many samples of each class every client holds [clients, classes].
    """

    name: str
    shape: tuple[int, ...]
    labels: tuple[tuple[int, ...], ...]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.labels[0])

    @property
    def samples(self) -> list[int]:
        """How many samples every client holds."""
        return [sum(counts) for counts in self.labels]

    def write(self, folder: Path) -> None:
        """Make the folder and its index."""
        folder.mkdir(parents=True, exist_ok=True)
        rows = ",\n  ".join(json.dumps(counts) for counts in self.labels)
        head = f'"name": {json.dumps(self.name)},\n "shape": {json.dumps(self.shape)}'
        (folder / INDEX).write_text(f'{{{head},\n "labels": [\n  {rows}\n ]}}\n')

    @staticmethod
    def read(folder: Path) -> Index:
        """The index of a folder.

        Raises:
            ConfigurationError: it is missing, or says something else.
        """
        path = folder / INDEX
        if not path.is_file():
            raise ConfigurationError(f"Folder: {path} is missing; set data.path to a folder of sims/split_data.py")
        try:
            plain = json.loads(path.read_text())
            labels = tuple(tuple(int(count) for count in counts) for counts in plain["labels"])
            index = Index(str(plain["name"]), tuple(int(size) for size in plain["shape"]), labels)
        except (ValueError, TypeError, LookupError):
            raise ConfigurationError(f"Folder: {path} is no index; write name, shape and labels as JSON") from None
        if len({len(counts) for counts in labels}) != 1 or index.classes < 2 or min(index.shape, default=0) < 1:
            raise ConfigurationError(f"Folder: {path} needs a shape, and counts of the same 2 or more classes a client")
        if min(min(counts) for counts in labels) < 0 or min(index.samples) < 1:
            raise ConfigurationError(f"Folder: {path} has a client without samples; leave it out")
        return index


@dataclass(frozen=True)
class Folder(Source):
    """A folder with an index (clients.json), test.npz and one client-I.npz a client, each with arrays x and y.

    Who holds only part of it reads what is there: a node its own client's file, a server none. All readers number
    the samples alike, client after client; samples that lie elsewhere are zeros that take no memory, and their labels
    are known from the index.

    Args:
        path: the folder.
        client_id: the one client whose file is read; null for all, or for none on a server.

    Shapes: x [n, ...] as the index says, float32; y [n] integer classes.

    Example:
        ``Folder("/srv/node-0", 0)`` on a node, ``Folder("/srv/server", None)`` on the server.
    """

    path: str
    client_id: int | None

    @property
    def folder(self) -> Path:
        """The folder."""
        return Path(self.path).expanduser()

    def check(self) -> None:
        """Refuse what is missing."""
        clients = len(Index.read(self.folder).labels)
        if self.client_id is not None and not 0 <= self.client_id < clients:
            raise ConfigurationError(
                f"Folder: client_id={self.client_id} is not in [0, {clients}), the clients of {self.folder / INDEX}; "
                "choose client_id in it"
            )
        for path in self._wanted(clients):
            if not path.is_file():
                raise ConfigurationError(f"Folder: {path} is missing; put it there, or set data.client_id on a node")

    def holds(self, client: int) -> bool:
        """Whether the client's samples are read here."""
        return self.client_id in (None, client) and self._file(client).is_file()

    def complete(self) -> bool:
        """Whether every client's samples are read here."""
        return all(self.holds(client) for client in range(len(Index.read(self.folder).labels)))

    def has_public(self) -> bool:
        """Whether there are public samples."""
        return (self.folder / PUBLIC).is_file()

    def available(self) -> int | None:
        """Training samples of all clients."""
        return sum(Index.read(self.folder).samples)

    def outline(self) -> Outline | None:
        """As the index says."""
        index = Index.read(self.folder)
        return Outline(index.shape, index.classes)

    def load(self, key: Key) -> Dataset:
        """Read what is here; nothing is drawn."""
        self.check()
        index = Index.read(self.folder)
        samples = index.samples
        x = np.zeros((sum(samples), *index.shape), dtype=np.float32)
        y = np.concatenate([np.repeat(np.arange(index.classes), counts) for counts in index.labels])
        start = 0
        for client, count in enumerate(samples):
            if self.holds(client):
                own = slice(start, start + count)
                x[own], y[own] = self._client(index, client)
            start += count
        owner = np.repeat(np.arange(len(samples), dtype=np.int64), samples)
        train = Split(torch.from_numpy(x), torch.from_numpy(y.astype(np.int64)))
        return Dataset(index.name, train, self._test(index), self._split(index, PUBLIC), index.classes, owner)

    def _file(self, client: int) -> Path:
        return self.folder / f"client-{client}.npz"

    def _wanted(self, clients: int) -> list[Path]:
        """A node's own file; else the test samples, and all clients' files where there is any of them."""
        if self.client_id is not None:
            return [self._file(self.client_id)]
        files = [self._file(client) for client in range(clients)]
        return [self.folder / TEST, *(files if any(path.is_file() for path in files) else [])]

    def _client(self, index: Index, client: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        path = self._file(client)
        x, y = read_arrays(path, index)
        counts = tuple(np.bincount(y, minlength=index.classes).tolist())
        if counts != index.labels[client]:
            raise ConfigurationError(
                f"Folder: {path} has {list(counts)} samples of the classes, but {INDEX} says "
                f"{list(index.labels[client])}; split the data again"
            )
        return x, y

    def _test(self, index: Index) -> Split:
        """The test split; a node that has none evaluates nothing, and gets one blank sample."""
        if (self.folder / TEST).is_file():
            return self._split(index, TEST)
        return Split(torch.zeros((1, *index.shape)), torch.zeros(1, dtype=torch.int64))

    def _split(self, index: Index, name: str) -> Split:
        """The samples of a file; none without it."""
        path = self.folder / name
        if not path.is_file():
            return Split(torch.zeros((0, *index.shape)), torch.zeros(0, dtype=torch.int64))
        x, y = read_arrays(path, index)
        return Split(torch.from_numpy(x), torch.from_numpy(y))


def read_arrays(path: Path, index: Index) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Samples and labels of a file, checked; nothing is unpickled.

    Raises:
        ConfigurationError: it cannot be read, or does not fit the index.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            x: NDArray[Any] = stored["x"]
            y: NDArray[Any] = stored["y"]
    except (ValueError, OSError, EOFError, LookupError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigurationError(f"Folder: {path} cannot be read ({reason}); store arrays x and y") from None
    if x.dtype != np.float32 or x.shape[1:] != index.shape or y.dtype.kind not in "iu" or y.shape != x.shape[:1]:
        raise ConfigurationError(
            f"Folder: {path} has x {x.dtype}{list(x.shape)} and y {y.dtype}{list(y.shape)}; store float32 samples "
            f"of shape {list(index.shape)} and one integer label a sample"
        )
    if len(y) and not 0 <= int(y.min()) <= int(y.max()) < index.classes:
        raise ConfigurationError(
            f"Folder: {path} has a class outside [0, {index.classes}); number them as {INDEX} does"
        )
    if not np.isfinite(x).all():
        raise ConfigurationError(f"Folder: {path} has NaN or infinity in x; clean the array")
    return x, y.astype(np.int64)
