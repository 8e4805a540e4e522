"""The folder of a run's checkpoints.

    000012.json             the state before round 12: what is not a tensor, and of each tensor its file and checksum
    000012.safetensors      tensors that are new since the checkpoints before
    000010.safetensors      older ones, as long as a checkpoint that is kept names some of them

A checkpoint is written in two steps, each a temporary file that is flushed to disk and renamed: first the tensors, then
the JSON, which makes it count. So a crash at any instant leaves those before, whole; what it may leave beside them is
removed by the next. Of a state only what has changed is written: a tensor that an earlier file holds is named, until
more than half of that file is of no use. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedkd.algorithms import ServerState
from fedkd.algorithms.downlinks import DownlinkState
from fedkd.algorithms.uplinks import UplinkState
from fedkd.checkpoints.described import describe, restore
from fedkd.checkpoints.places import Place, Places, Shelf, raw
from fedkd.checkpoints.tensors import write_tensors
from fedkd.clients import ClientState
from fedkd.durable import explained, make_folder, replace_bytes
from fedkd.errors import ConfigurationError
from fedkd.executors import Carried
from fedkd_compression import checksum

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class RunState:
    """What a checkpoint holds; workers hold nothing that the server could not tell them.

    Args:
        carried: what the executor wants to find again.
        volatile: whether client states were the clients' own, so that clients must start anew when the run is resumed.
    """

    server: ServerState
    carried: Carried = field(default_factory=Carried)
    volatile: bool = False


_KINDS = {kind.__name__: kind for kind in (RunState, ServerState, DownlinkState, UplinkState, ClientState, Carried)}
FOLDER = "checkpoints"
_HEAD, _MIDDLE = '{"checkpoint": ', ', "sha256": "'
_TEMPORARY, _TENSORS, _STATE = ".tmp", ".safetensors", ".json"


class DamagedError(Exception):
    """A checkpoint is not what was written."""


class Checkpoints:
    """The newest checkpoints of a run.

    Args:
        folder: of the run.
        keep: how many are kept.

    Example:
        >>> checkpoints = Checkpoints(Path("runs/a"), keep=2)
        >>> checkpoints.save(RunState(state))
        >>> checkpoints.load(print).server.round == state.round
        True
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self._folder, self._keep = folder / FOLDER, keep
        self._known: Places = {}
        self._used: dict[str, frozenset[str]] = {}
        self._sizes: Counter[str] = Counter()

    @property
    def rounds(self) -> list[int]:
        """Of those that are there, in order; they need not be whole."""
        return sorted(int(path.stem) for path in self._folder.glob(f"*{_STATE}") if path.stem.isdigit())

    def kept_with(self, round_: int) -> tuple[int, ...]:
        """The rounds of those that are there after the one before ``round_`` is saved, in order."""
        older = [known for known in self.rounds if known < round_]
        return (*older[-(self._keep - 1) :], round_) if self._keep > 1 else (round_,)

    def save(self, state: RunState) -> None:
        """Write the state before a round, and remove what is not needed any more.

        Raises:
            StorageError: the system refused; what was saved before is intact.
        """
        make_folder(self._folder)
        name = f"{state.server.round:06d}"
        shelf = Shelf(name, {key: entry for key, entry in self._useful().items() if entry[2].file != name})
        described = describe(state, shelf.keep)
        files = frozenset(place.file for *_, place in shelf.places.values())
        if shelf.fresh:
            write_tensors(self._folder / f"{name}{_TENSORS}", shelf.fresh, {})
        replace_bytes(self._folder / f"{name}{_STATE}", _signed({"files": sorted(files), "state": described}))
        self._known, self._used[name] = shelf.places, files
        self._sizes[name] = sum(place.size for *_, place in shelf.places.values() if place.file == name)
        with explained(self._folder):
            self._collect(state.server.round)

    def load(self, warn: Callable[[str], None]) -> RunState | None:
        """The newest state that is whole; None where there is no checkpoint.

        Args:
            warn: is told of those that are damaged.

        Raises:
            ConfigurationError: all of them are.
        """
        rounds = self.rounds
        for round_ in reversed(rounds):
            try:
                return self._read(f"{round_:06d}")
            except DamagedError as error:
                warn(f"{self._folder}: the checkpoint before round {round_} is damaged ({error}); trying an older one")
        if rounds:
            raise ConfigurationError(f"{self._folder}: no checkpoint is whole; delete the folder to begin again")
        return None

    def _read(self, name: str) -> RunState:
        shelf = Shelf(name, {})
        files: dict[str, Mapping[str, Tensor]] = {}

        def find(word: str) -> Tensor:
            place = Place.of(word)
            if place.file not in files:
                files[place.file] = _tensors(self._folder / f"{place.file}{_TENSORS}")
            tensor = files[place.file].get(place.name)
            if tensor is None or checksum(raw(tensor)) != place.checksum:
                raise DamagedError(f"{place.file}{_TENSORS}: tensor {place.name} is not what was written")
            shelf.note(tensor, place)
            return tensor

        try:
            state: RunState = restore(_verified(self._folder / f"{name}{_STATE}")["state"], find, _KINDS)
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedError(f"{name}{_STATE}: {type(error).__name__}") from None
        self._known, self._sizes = shelf.places, Counter()
        for *_, place in shelf.places.values():
            self._sizes[place.file] += place.size
        return state

    def _useful(self) -> Places:
        """Tensors of the last checkpoint that need not be written again: they are unchanged, as is half their file."""
        alive: Counter[str] = Counter()
        for reference, version, place in self._known.values():
            tensor = reference()
            if tensor is not None and tensor._version == version:
                alive[place.file] += place.size
        worth = {file for file, size in self._sizes.items() if size <= 2 * alive[file]}
        return {key: entry for key, entry in self._known.items() if entry[2].file in worth}

    def _collect(self, newest: int) -> None:
        """Remove checkpoints that are too old or were made after the newest, and files that none needs."""
        rounds = self.rounds
        kept = [round_ for round_ in rounds if round_ <= newest][-self._keep :]
        for round_ in rounds:
            if round_ not in kept:
                (self._folder / f"{round_:06d}{_STATE}").unlink()
        names = {f"{round_:06d}" for round_ in kept}
        self._used = {name: self._used[name] if name in self._used else self._files(name) for name in names}
        needed = names.union(*self._used.values())
        self._sizes = Counter({file: size for file, size in self._sizes.items() if file in needed})
        for path in self._folder.iterdir():
            if path.suffix == _TEMPORARY or (path.suffix == _TENSORS and path.stem not in needed):
                path.unlink()

    def _files(self, name: str) -> frozenset[str]:
        """Files that an older checkpoint names; all, if it cannot be read."""
        try:
            return frozenset(_verified(self._folder / f"{name}{_STATE}")["files"])
        except DamagedError:
            return frozenset(path.stem for path in self._folder.glob(f"*{_TENSORS}"))


def _tensors(path: Path) -> Mapping[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(path.read_bytes())
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise DamagedError(f"{path.name}: {type(error).__name__}") from None


def _signed(content: Mapping[str, Any]) -> bytes:
    body = json.dumps(content)
    digest = hashlib.sha256(body.encode()).hexdigest()
    return f'{_HEAD}{body}{_MIDDLE}{digest}"}}\n'.encode()


def _verified(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedError(f"{path.name}: {type(error).__name__}") from None
    body, middle, digest = text.removeprefix(_HEAD).rpartition(_MIDDLE)
    if not middle or hashlib.sha256(body.encode()).hexdigest() != digest.rstrip('"}\n'):
        raise DamagedError(f"{path.name}: its checksum is wrong")
    return json.loads(body)
